{{- define "flux-environment" -}}
- name: RUNTIME_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: GOMEMLIMIT
  valueFrom:
    resourceFieldRef:
      resource: limits.memory
{{- end -}}

{{- define "flux-ports" -}}
- name: http-prom
  containerPort: 8080
- name: healthz
  containerPort: 9440
{{- end -}}
