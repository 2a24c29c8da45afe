{{/* Names, labels, and what several templates ask. */}}

{{- define "flowtoll.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* Begins the names of all objects; what is put behind fits into 63 characters. */}}
{{- define "flowtoll.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- (contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name)) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* Of objects that are in no namespace: two releases of one name may be in two namespaces. */}}
{{- define "flowtoll.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "flowtoll.fullname" .) -}}
{{- end }}

{{/* Of (dict "root" $ "component" "agent"). */}}
{{- define "flowtoll.selectorLabels" -}}
app.kubernetes.io/name: {{ include "flowtoll.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of objects: the same, with "labels" of the object's own. */}}
{{- define "flowtoll.labels" -}}
{{- $own := include "flowtoll.selectorLabels" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/version" .root.Chart.AppVersion -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- $_ := set $own "app.kubernetes.io/part-of" "flowtoll" -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") -}}
{{- merge $own (.labels | default dict) .root.Values.commonLabels | toYaml -}}
{{- end }}

{{/* Metadata of (dict "root" $ "component" … "name" …), with "annotations" where there are. */}}
{{- define "flowtoll.metadata" -}}
name: {{ .name }}
{{- if not .clusterScoped }}
namespace: {{ .root.Release.Namespace }}
{{- end }}
labels:
  {{- include "flowtoll.labels" . | nindent 2 }}
{{- with mergeOverwrite (dict) .root.Values.commonAnnotations (.annotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
Labels and annotations of pods: (dict "root" $ "component" … "values" .Values.agent), with "checksum" where their configuration is in a ConfigMap. Versions are not in
them: a chart that changes nothing of a pod restarts none. What selects them nobody changes.
*/}}
{{- define "flowtoll.podMetadata" -}}
labels:
  {{- merge (include "flowtoll.selectorLabels" . | fromYaml) (.values.podLabels | default dict) .root.Values.commonLabels | toYaml | nindent 2 }}
{{- $own := dict -}}
{{- with .checksum }}{{ $_ := set $own "checksum/config" . }}{{ end }}
{{- with mergeOverwrite $own .root.Values.commonAnnotations (.values.podAnnotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Of (dict "root" $ "image" .Values.agent.image). */}}
{{- define "flowtoll.image" -}}
{{- if .image.digest -}}
{{ printf "%s@%s" .image.repository .image.digest }}
{{- else -}}
{{ printf "%s:%s" .image.repository (default .root.Chart.AppVersion .image.tag) }}
{{- end -}}
{{- end }}

{{/* Of (dict "root" $ "component" "agent" "values" .Values.agent.serviceAccount). */}}
{{- define "flowtoll.serviceAccountName" -}}
{{- if .values.create -}}
{{ default (printf "%s-%s" (include "flowtoll.fullname" .root) .component) .values.name }}
{{- else -}}
{{ default "default" .values.name }}
{{- end -}}
{{- end }}

{{/* Options of a program by name, as arguments. Numbers come as floats, and large ones must not become 1e+06. */}}
{{- define "flowtoll.options" -}}
{{- range $name, $value := . }}
{{- if kindIs "float64" $value }}
- {{ printf "--%s=%d" $name (int64 $value) | quote }}
{{- else }}
- {{ printf "--%s=%v" $name $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* A container that may do nothing that it need not. */}}
{{- define "flowtoll.restrictedSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* A pod that is nobody in particular. */}}
{{- define "flowtoll.restrictedPodSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "flowtoll.storeIsDirectory" -}}
{{- if hasPrefix "/" .Values.store }}true{{ end -}}
{{- end }}

{{/* Name of the claim that holds the tables; empty where there is none. */}}
{{- define "flowtoll.claimName" -}}
{{- if .Values.volume.existingClaim -}}
{{ .Values.volume.existingClaim }}
{{- else if .Values.volume.create -}}
{{ include "flowtoll.fullname" . }}-tables
{{- end -}}
{{- end }}

{{/* The tables can be mounted on one node only: one replica at a time. */}}
{{- define "flowtoll.oneAtATime" -}}
{{- if and (include "flowtoll.claimName" .) (not (has "ReadWriteMany" .Values.volume.accessModes)) }}true{{ end -}}
{{- end }}

{{/* Jobs go where the aggregator is, if its volume can be mounted on one node only. */}}
{{- define "flowtoll.jobAffinity" -}}
{{- if include "flowtoll.oneAtATime" . -}}
podAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "flowtoll.selectorLabels" (dict "root" . "component" "aggregator") | nindent 12 }}
{{- end -}}
{{- end }}

{{/* Environment, mounts and volumes with which a pod reaches the store. */}}
{{- define "flowtoll.storeEnv" -}}
- name: FLOWTOLL_STORE
  value: {{ .Values.store | quote }}
- name: FLOWTOLL_CLUSTER
  value: {{ .Values.cluster | quote }}
# Where reports keep what they read: the root file system cannot be written.
- name: FLOWTOLL_CACHE
  value: /tmp/cache
{{- if .Values.storeCredentials.googleKey.secret }}
- name: GOOGLE_APPLICATION_CREDENTIALS
  value: /etc/flowtoll/google/key.json
{{- end }}
{{- range $name, $value := .Values.storeEnv }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "flowtoll.storeEnvFrom" -}}
{{- with .Values.storeCredentials.envSecret }}
- secretRef:
    name: {{ . }}
{{- end }}
{{- end }}

{{- define "flowtoll.storeVolumeMounts" -}}
- name: tmp
  mountPath: /tmp
{{- if include "flowtoll.claimName" . }}
- name: tables
  mountPath: {{ .Values.store }}
{{- end }}
{{- if .Values.storeCredentials.googleKey.secret }}
- name: google-key
  mountPath: /etc/flowtoll/google
  readOnly: true
{{- end }}
{{- end }}

{{/* Of (dict "root" $ "scratchSize" …). */}}
{{- define "flowtoll.storeVolumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: {{ .scratchSize }}
{{- with include "flowtoll.claimName" .root }}
- name: tables
  persistentVolumeClaim:
    claimName: {{ . }}
{{- end }}
{{- with .root.Values.storeCredentials.googleKey }}
{{- if .secret }}
- name: google-key
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
    items:
      - { key: {{ .key | quote }}, path: key.json }
{{- end }}
{{- end }}
{{- end }}

{{/* Secret with the aggregator's certificate; empty where there is none. */}}
{{- define "flowtoll.tlsSecretName" -}}
{{- if eq .Values.tls.mode "existingSecret" -}}
{{ .Values.tls.existingSecret }}
{{- else if ne .Values.tls.mode "none" -}}
{{ include "flowtoll.fullname" . }}-tls
{{- end -}}
{{- end }}

{{/* Names in the aggregator's certificate, as a JSON list: both services, and this machine for whoever forwards a port. */}}
{{- define "flowtoll.tlsNames" -}}
{{- $names := list -}}
{{- range $service := list "ingest" "read" -}}
{{- $name := printf "%s-%s.%s.svc" (include "flowtoll.fullname" $) $service $.Release.Namespace -}}
{{- $names = concat $names (list $name (printf "%s.%s" $name $.Values.kubernetes.domain)) -}}
{{- end -}}
{{- concat $names (list "localhost") .Values.tls.extraDnsNames | uniq | toJson -}}
{{- end }}

{{/* Where agents of this release deliver. */}}
{{- define "flowtoll.ingestAddress" -}}
{{- default (printf "%s-ingest.%s.svc:4460" (include "flowtoll.fullname" .) .Release.Namespace) .Values.agent.aggregator -}}
{{- end }}

{{/* Which address of the node agents' metrics are at: loopback or node. */}}
{{- define "flowtoll.agentMetricsAddress" -}}
{{- if eq .Values.agent.metrics.address "auto" -}}
{{ .Values.monitoring.podMonitor.enabled | ternary "node" "loopback" }}
{{- else -}}
{{ .Values.agent.metrics.address }}
{{- end -}}
{{- end }}

{{- define "flowtoll.hasConfig" -}}
{{- if or .Values.topology .Values.pricing .Values.aggregator.series .Values.aggregator.sinks }}true{{ end -}}
{{- end }}
