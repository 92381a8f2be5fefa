{{- define "wsgate.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "wsgate.selector" -}}
app.kubernetes.io/name: wsgate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "wsgate.labels" -}}
{{ include "wsgate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "wsgate.adminSecret" -}}
{{- .Values.adminToken.secret | default (printf "%s-admin" (include "wsgate.name" .)) -}}
{{- end -}}

{{- /* The whole seconds of a duration of wsgate's: 500ms, 20s, 5m or 1h. */ -}}
{{- define "wsgate.seconds" -}}
{{- $number := regexFind "^[0-9]+" . | int64 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- if eq $unit "ms" -}}{{ div (add $number 999) 1000 }}
{{- else if eq $unit "s" -}}{{ $number }}
{{- else if eq $unit "m" -}}{{ mul $number 60 }}
{{- else -}}{{ mul $number 3600 }}
{{- end -}}
{{- end -}}

{{- /* How long a drain takes at most, with the gateway's own defaults, and 10 s until a process that hangs is killed. */ -}}
{{- define "wsgate.grace" -}}
{{- $drain := .Values.config.drain | default dict -}}
{{- $delay := include "wsgate.seconds" ($drain.delay | default "0s") | int64 -}}
{{- $spread := include "wsgate.seconds" ($drain.spread | default "20s") | int64 -}}
{{- $grace := include "wsgate.seconds" ($drain.grace | default "10s") | int64 -}}
{{- $needed := add $delay $spread $grace 10 -}}
{{- $given := .Values.terminationGracePeriodSeconds -}}
{{- if and $given (lt ($given | int64) $needed) -}}
{{- fail (printf "terminationGracePeriodSeconds is %d, and config.drain takes up to %d (delay + spread + grace + 10): sessions would be cut. Raise it, or leave it out" ($given | int64) $needed) -}}
{{- end -}}
{{- $given | default $needed -}}
{{- end -}}
