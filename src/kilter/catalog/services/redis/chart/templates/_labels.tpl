{{- define "labels" -}}
app.kubernetes.io/name: {{ .Values.name }}
app.kubernetes.io/component: {{ .Values.type }}
kilter.dev/project: {{ .Values.project }}
kilter.dev/service: {{ .Values.name }}
{{- end -}}

{{- define "selector" -}}
app.kubernetes.io/name: {{ .Values.name }}
kilter.dev/service: {{ .Values.name }}
{{- end -}}
