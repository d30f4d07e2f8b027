{{- /* A pod template. Takes root, work and restart. */ -}}
{{- define "pod" -}}
{{- $values := .root.Values -}}
metadata:
  labels:
    {{- include "releaseLabels" . | nindent 4 }}
  {{- with $values.secretsRevision }}
  annotations:
    kilter.dev/secrets: {{ . | quote }}
  {{- end }}
spec:
  serviceAccountName: {{ $values.app | quote }}
  automountServiceAccountToken: false
  # Variables such as REDIS_PORT=tcp://… would shadow the app's own.
  enableServiceLinks: false
  {{- if and $values.architecture (not .work.image) }}
  # What the image was built for; elsewhere it would end with "exec format error".
  nodeSelector:
    kubernetes.io/arch: {{ $values.architecture | quote }}
  {{- end }}
  restartPolicy: {{ .restart }}
  terminationGracePeriodSeconds: {{ add $values.rollout.graceSeconds (ternary $values.rollout.drainSeconds 0 (gt (int .work.port) 0)) }}
  securityContext:
    runAsNonRoot: true
    runAsUser: {{ int64 $values.security.uid }}
    runAsGroup: {{ int64 $values.security.uid }}
    seccompProfile:
      type: RuntimeDefault
  {{- if not .work.schedule }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "selector" . | nindent 10 }}
      # Pods of the release that is leaving do not count.
      matchLabelKeys: [pod-template-hash]
  {{- end }}
  {{- with $values.imagePullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . | quote }}
    {{- end }}
  {{- end }}
  containers:
    {{- include "container" . | nindent 4 }}
  {{- if or $values.security.writable $values.databaseCa }}
  volumes:
    {{- range $at, $path := $values.security.writable }}
    - name: writable-{{ $at }}
      emptyDir: {}
    {{- end }}
    {{- with $values.databaseCa }}
    - name: database-ca
      secret:
        secretName: {{ . | quote }}
        items:
          - key: ca.crt
            path: ca.crt
    {{- end }}
  {{- end }}
{{- end -}}
