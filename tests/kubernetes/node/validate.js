// Reads resources, JSON in a list, and checks those that are not Kubernetes's own. Prints a line for each that was checked.
const kinds = {
  "keda.sh/v1alpha1/ScaledObject": require("@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject").ScaledObject,
  "monitoring.coreos.com/v1/ServiceMonitor":
    require("@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor").ServiceMonitor,
  "gateway.networking.k8s.io/v1/HTTPRoute":
    require("@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute").HTTPRoute,
};

for (const resource of JSON.parse(require("fs").readFileSync(0, "utf8"))) {
  const kind = `${resource.apiVersion}/${resource.kind}`;
  if (!kinds[kind]) throw new Error(`no schema for ${kind}`);
  new kinds[kind](resource).validate();
  console.log(`${kind} ${resource.metadata.name}`);
}
