// Manifests of the workloads that the suite makes.

const container = { name: 'main', image: 'registry.example/app:1' };

function template(app: string, spec: object = {}) {
  return { metadata: { labels: { app } }, spec: { containers: [container], ...spec } };
}

export function deployment(name: string, replicas: number) {
  return {
    ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name } },
    spec: { replicas, selector: { matchLabels: { app: name } }, template: template(name) },
  };
}

export function daemonSet(name: string) {
  return {
    ...{ apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { name } },
    spec: { selector: { matchLabels: { app: name } }, template: template(name, { hostNetwork: true }) },
  };
}

export function job(name: string, completions: number) {
  return {
    ...{ apiVersion: 'batch/v1', kind: 'Job', metadata: { name } },
    spec: { completions, parallelism: completions, template: template(name, { restartPolicy: 'Never' }) },
  };
}

export function service(name: string, app: string, spec: object = {}) {
  return {
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { name } },
    spec: { selector: { app }, ports: [{ port: 80, targetPort: 8080 }], ...spec },
  };
}
