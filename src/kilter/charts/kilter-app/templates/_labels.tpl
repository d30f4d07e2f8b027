{{- /* Labels of everything. Takes the root. */ -}}
{{- define "labels" -}}
app.kubernetes.io/name: {{ .Values.app | quote }}
app.kubernetes.io/instance: {{ .Values.instance | quote }}
app.kubernetes.io/managed-by: kilter
kilter.dev/org: {{ .Values.org | quote }}
kilter.dev/app: {{ .Values.app | quote }}
kilter.dev/env: {{ .Values.env | quote }}
{{- end -}}

{{- /* Which part of the app it is: the web process or a further one. Takes root and work. */ -}}
{{- define "part" -}}
{{- if .work.process -}}
app.kubernetes.io/component: process
kilter.dev/process: {{ .work.process | quote }}
{{- else -}}
app.kubernetes.io/component: web
{{- end }}
{{- end -}}

{{- /* What tells the pods of one workload from all others, for good. Takes root and work. */ -}}
{{- define "selector" -}}
kilter.dev/app: {{ .root.Values.app | quote }}
{{ include "part" . }}
{{- end -}}

{{- /* Labels of one workload's objects. Takes root and work. */ -}}
{{- define "workLabels" -}}
{{ include "labels" .root }}
{{ include "part" . }}
{{- end -}}

{{- /* Labels of what changes with every release. Takes root and work. */ -}}
{{- define "releaseLabels" -}}
{{ include "workLabels" . }}
kilter.dev/release: {{ .root.Values.release.id | quote }}
{{- end -}}
