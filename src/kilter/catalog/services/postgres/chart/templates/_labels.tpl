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

{{- define "answers" -}}
- sh
- -c
- exec pg_isready --quiet --host=127.0.0.1 --port={{ .Values.ports.postgres.container }} --username="$POSTGRES_USER" --dbname="$POSTGRES_DB"
{{- end -}}
