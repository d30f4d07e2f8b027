{{- define "labels" -}}
app.kubernetes.io/part-of: kilter
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- /* Where the KilterApps are. It stays when the release goes; kilter's programs know it by this name. */}}
{{- define "apps-namespace" -}}
kilter-apps
{{- end -}}

{{- /* What every pod's securityContext says; the user's number is added where the image names none. */}}
{{- define "pod-security" -}}
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- /* The same with the user of kilter's own image. */}}
{{- define "kilter-security" -}}
{{ include "pod-security" . }}
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
{{- end -}}

{{- define "container-security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "scheme" -}}
{{- if .Values.gateway.enabled -}}
{{ ternary "https" "http" (ne .Values.gateway.tls.secretName "") }}
{{- else -}}
{{ ternary "https" "http" (hasPrefix "https:" .Values.gateway.existing.url) }}
{{- end -}}
{{- end -}}

{{- /* What follows the host in public addresses. */}}
{{- define "public-port" -}}
{{ with int .Values.publicPort }}:{{ . }}{{ end }}
{{- end -}}

{{- /* Where kilter-server answers, which is also the name that it signs with. */}}
{{- define "server-address" -}}
{{ include "scheme" . }}://kilter.{{ .Values.clusterDomain }}{{ include "public-port" . }}
{{- end -}}

{{- define "registry-host" -}}
{{ .Values.registry.host | default (printf "registry.%s%s" .Values.clusterDomain (include "public-port" .)) }}
{{- end -}}

{{- define "registry-realm" -}}
{{ .Values.registry.token.realm | default (printf "%s/v1/registry/token" (include "server-address" .)) }}
{{- end -}}

{{- /* The Secret with the key `dsn` that kilter-server and kilter-operator read. */}}
{{- define "postgres-secret" -}}
{{ .Values.postgres.externalSecret | default "kilter-postgres" }}
{{- end -}}

{{- /* Whether a server from elsewhere is known by an authority of its own. */}}
{{- define "postgres-ca" -}}
{{ if .Values.postgres.externalSecret }}{{ .Values.postgres.caSecret }}{{ end }}
{{- end -}}

{{- /* What libpq asks of that server, where `dsn` does not say. */}}
{{- define "postgres-trust" -}}
{{- if .Values.postgres.externalSecret }}
{{- with .Values.postgres.sslMode | default (ternary "verify-full" "" (ne .Values.postgres.caSecret "")) }}
- name: PGSSLMODE
  value: {{ . | quote }}
{{- end }}
{{- if .Values.postgres.caSecret }}
- name: PGSSLROOTCERT
  value: /etc/kilter/postgres/ca.crt
{{- end }}
{{- end }}
{{- end -}}

{{- define "postgres-ca-mount" -}}
- name: postgres-ca
  mountPath: /etc/kilter/postgres
  readOnly: true
{{- end -}}

{{- define "postgres-ca-volume" -}}
- name: postgres-ca
  secret:
    secretName: {{ .Values.postgres.caSecret }}
    items:
      - key: ca.crt
        path: ca.crt
{{- end -}}

{{- /*
Whether Helm speaks to a cluster. Without one, `lookup` finds nothing, and what is generated once would be generated
anew: such Secrets are then left out, so that applying the output of `helm template` never changes a password.
*/}}
{{- define "connected" -}}
{{ if lookup "v1" "Namespace" "" "kube-system" }}yes{{ end }}
{{- end -}}

{{- /* How the Gateway is reached from within the cluster, whatever DNS says. */}}
{{- define "gateway-url" -}}
{{- if .Values.gateway.enabled -}}
{{ include "scheme" . }}://traefik.{{ .Release.Namespace }}.svc
{{- else -}}
{{ required "gateway.existing.url is needed beside gateway.enabled: false: where the operator reaches the Gateway" .Values.gateway.existing.url }}
{{- end -}}
{{- end -}}

{{- define "gateway-name" -}}
{{ ternary "kilter" .Values.gateway.existing.name .Values.gateway.enabled }}
{{- end -}}

{{- define "gateway-namespace" -}}
{{ ternary "" .Values.gateway.existing.namespace .Values.gateway.enabled | default .Release.Namespace }}
{{- end -}}

{{- define "gateway-listener" -}}
{{ ternary (include "scheme" .) .Values.gateway.existing.listener .Values.gateway.enabled }}
{{- end -}}

{{- /* The namespace of the pods that requests come from. */}}
{{- define "gateway-proxies" -}}
{{ ternary "" .Values.gateway.existing.proxies .Values.gateway.enabled | default (include "gateway-namespace" .) }}
{{- end -}}

{{- /* What a route of the platform's own is attached to. */}}
{{- define "gateway-parent" -}}
- name: {{ include "gateway-name" . | quote }}
  namespace: {{ include "gateway-namespace" . }}
  {{- with include "gateway-listener" . }}
  sectionName: {{ . }}
  {{- end }}
{{- end -}}

{{- /* Those pods, as a network policy names them. */}}
{{- define "gateway-peer" -}}
{{- if .Values.gateway.enabled -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/name: traefik
{{- else -}}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ include "gateway-proxies" . }}
{{- end -}}
{{- end -}}

{{- /* The folder of the repository that is served here; also the end of its address. */}}
{{- define "git-name" -}}
flux.git
{{- end -}}

{{- define "git-url" -}}
{{ .Values.git.url | default (printf "http://kilter-git.%s.svc/%s" .Release.Namespace (include "git-name" .)) }}
{{- end -}}

{{- define "git-secret" -}}
{{ ternary .Values.git.secretName "kilter-git" (ne .Values.git.url "") }}
{{- end -}}
