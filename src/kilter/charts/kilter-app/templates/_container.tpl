{{- /* The list of containers: one. Takes root and work. */ -}}
{{- define "container" -}}
{{- $values := .root.Values -}}
- name: app
  image: {{ .work.image | default $values.image | quote }}
  imagePullPolicy: IfNotPresent
  {{- with .work.command }}
  command:
    {{- range . }}
    - {{ . | quote }}
    {{- end }}
  {{- end }}
  {{- if or .work.variables .work.secretVariables }}
  env:
    {{- range $name, $secret := .work.secretVariables }}
    - name: {{ $name | quote }}
      valueFrom:
        secretKeyRef:
          name: {{ $secret | quote }}
          key: {{ $name | quote }}
    {{- end }}
    {{- range $name, $value := .work.variables }}
    - name: {{ $name | quote }}
      value: {{ $value | quote }}
    {{- end }}
  {{- end }}
  {{- with $values.secrets }}
  envFrom:
    {{- range . }}
    - secretRef:
        name: {{ . | quote }}
    {{- end }}
  {{- end }}
  {{- if .work.port }}
  ports:
    - name: http
      containerPort: {{ .work.port }}
      protocol: TCP
  lifecycle:
    preStop:
      sleep:
        seconds: {{ $values.rollout.drainSeconds }}
  {{- end }}
  {{- range $kind, $probe := .work.probes }}
  {{ $kind }}Probe:
    {{- include "probe" $probe | nindent 4 }}
  {{- end }}
  resources:
    {{- toYaml .work.resources | nindent 4 }}
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: {{ $values.security.readOnlyRoot }}
    capabilities:
      drop: [ALL]
  {{- if or $values.security.writable $values.databaseCa }}
  volumeMounts:
    {{- range $at, $path := $values.security.writable }}
    - name: writable-{{ $at }}
      mountPath: {{ $path | quote }}
    {{- end }}
    {{- if $values.databaseCa }}
    - name: database-ca
      mountPath: /etc/kilter/database
      readOnly: true
    {{- end }}
  {{- end }}
{{- end -}}

{{- /* A health check. Takes one of work.probes. */ -}}
{{- define "probe" -}}
{{- if .command -}}
exec:
  command:
    {{- range .command }}
    - {{ . | quote }}
    {{- end }}
{{- else if .path -}}
httpGet:
  path: {{ .path | quote }}
  port: {{ .port }}
  scheme: HTTP
{{- else -}}
tcpSocket:
  port: {{ .port }}
{{- end }}
periodSeconds: {{ .interval }}
timeoutSeconds: {{ .timeout }}
failureThreshold: {{ .failures }}
{{- end -}}
