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

{{- define "answers" -}}
- sh
- -c
- exec pg_isready --quiet --host=127.0.0.1 --port={{ .Values.ports.postgres.container }} --username="$POSTGRES_USER" --dbname="$POSTGRES_DB"
{{- end -}}
