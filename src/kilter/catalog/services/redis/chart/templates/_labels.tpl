{{- define "labels" -}}
app.kubernetes.io/name: {{ .Values.name | quote }}
app.kubernetes.io/component: {{ .Values.type | quote }}
kilter.dev/project: {{ .Values.project | quote }}
kilter.dev/service: {{ .Values.name | quote }}
{{- end -}}

{{- define "selector" -}}
app.kubernetes.io/name: {{ .Values.name | quote }}
kilter.dev/service: {{ .Values.name | quote }}
{{- end -}}
