{{- define "config" -}}
bind * -::*
port {{ .Values.ports.redis.container }}
dir /data
appendonly yes
maxmemory {{ .Values.maxMemoryMiB }}mb
maxmemory-policy {{ .Values.maxMemoryPolicy }}
requirepass {{ required "kilter gives every redis a password" .Values.credentials.password }}
{{- end -}}

{{- define "answers" -}}
- sh
- -c
- test "$(redis-cli -h 127.0.0.1 -p {{ .Values.ports.redis.container }} ping)" = PONG
{{- end -}}
