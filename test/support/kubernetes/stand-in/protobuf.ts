// Objects of the stand-in as Protocol Buffers, for who asks for lists in that form. Fields and their numbers are those of generated.proto in
// k8s.io/api and k8s.io/apimachinery, as far as objects of tests and benchmarks have them; another is an error. The real server writes empty
// texts, too, which this one leaves out.
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

type Write = (writer: BinaryWriter, number: number, value: unknown, path: string) => void;
type Fields = Readonly<Record<string, readonly [number, Write]>>;
type JsonObject = Readonly<Record<string, unknown>>;

const text: Write = (writer, number, value) => writer.tag(number, WireType.LengthDelimited).string(value as string);
const bool: Write = (writer, number, value) => writer.tag(number, WireType.Varint).bool(value as boolean);
const integer: Write = (writer, number, value) => writer.tag(number, WireType.Varint).int64(value as number);
const time: Write = (writer, number, value) =>
  writer
    .tag(number, WireType.LengthDelimited)
    .fork()
    .tag(1, WireType.Varint)
    .int64(Date.parse(value as string) / 1000)
    .join();
/** A message whose one field is a text: Quantity. */
const inText: Write = (writer, number, value) =>
  writer.tag(number, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).string(String(value)).join();
/** A message whose one field is the JSON: FieldsV1. */
const inJson: Write = (writer, number, value) => inText(writer, number, JSON.stringify(value), '');
const intOrText: Write = (writer, number, value) => {
  const fork = writer.tag(number, WireType.LengthDelimited).fork();
  if (typeof value === 'number') fork.tag(1, WireType.Varint).int64(0).tag(2, WireType.Varint).int32(value);
  else {
    fork.tag(1, WireType.Varint).int64(1);
    fork.tag(3, WireType.LengthDelimited).string(String(value));
  }
  fork.join();
};
const message =
  (fields: Fields): Write =>
  (writer, number, value, path) => {
    writer.tag(number, WireType.LengthDelimited).fork();
    writeFields(writer, fields, value as JsonObject, path);
    writer.join();
  };
const each =
  (write: Write): Write =>
  (writer, number, value, path) => {
    for (const one of value as readonly unknown[]) write(writer, number, one, path);
  };
const mapOf =
  (write: Write): Write =>
  (writer, number, value, path) => {
    for (const [key, one] of Object.entries(value as JsonObject)) {
      writer.tag(number, WireType.LengthDelimited).fork();
      text(writer, 1, key, path);
      write(writer, 2, one, path);
      writer.join();
    }
  };
/** JSON has fields in the object itself that this form has in a message of their own. */
const regrouped =
  (fields: Fields, regroup: (value: JsonObject) => JsonObject): Write =>
  (writer, number, value, path) =>
    message(fields)(writer, number, regroup(value as JsonObject), path);

function writeFields(writer: BinaryWriter, fields: Fields, object: JsonObject, path: string): void {
  for (const [name, value] of Object.entries(object)) {
    // No time, for one.
    if (value === null || value === undefined) continue;
    const field = fields[name];
    if (field === undefined) throw new Error(`the stand-in has no number for the field ${path}.${name}`);
    field[1](writer, field[0], value, `${path}.${name}`);
  }
}

const METADATA: Fields = {
  name: [1, text],
  generateName: [2, text],
  namespace: [3, text],
  uid: [5, text],
  resourceVersion: [6, text],
  generation: [7, integer],
  creationTimestamp: [8, time],
  deletionTimestamp: [9, time],
  deletionGracePeriodSeconds: [10, integer],
  labels: [11, mapOf(text)],
  annotations: [12, mapOf(text)],
  ownerReferences: [
    13,
    each(
      message({
        kind: [1, text],
        name: [3, text],
        uid: [4, text],
        apiVersion: [5, text],
        controller: [6, bool],
        blockOwnerDeletion: [7, bool],
      }),
    ),
  ],
  finalizers: [14, each(text)],
  managedFields: [
    17,
    each(
      message({
        manager: [1, text],
        operation: [2, text],
        apiVersion: [3, text],
        time: [4, time],
        fieldsType: [6, text],
        fieldsV1: [7, inJson],
        subresource: [8, text],
      }),
    ),
  ],
};

const CONTAINERS = each(
  message({
    name: [1, text],
    image: [2, text],
    command: [3, each(text)],
    args: [4, each(text)],
    ports: [
      6,
      each(message({ name: [1, text], hostPort: [2, integer], containerPort: [3, integer], protocol: [4, text] })),
    ],
    env: [7, each(message({ name: [1, text], value: [2, text] }))],
    resources: [8, message({ limits: [1, mapOf(inText)], requests: [2, mapOf(inText)] })],
    volumeMounts: [9, each(message({ name: [1, text], readOnly: [2, bool], mountPath: [3, text] }))],
    terminationMessagePath: [13, text],
    imagePullPolicy: [14, text],
    terminationMessagePolicy: [20, text],
  }),
);

const CONFIG_MAP_PROJECTION = regrouped(
  {
    localObjectReference: [1, message({ name: [1, text] })],
    items: [2, each(message({ key: [1, text], path: [2, text] }))],
  },
  ({ name, ...rest }) => ({ localObjectReference: { name }, ...rest }),
);

const DOWNWARD_PROJECTION = message({
  items: [
    1,
    each(message({ path: [1, text], fieldRef: [2, message({ apiVersion: [1, text], fieldPath: [2, text] })] })),
  ],
});

const PROJECTED_VOLUME = message({
  sources: [
    1,
    each(
      message({
        downwardAPI: [2, DOWNWARD_PROJECTION],
        configMap: [3, CONFIG_MAP_PROJECTION],
        serviceAccountToken: [4, message({ expirationSeconds: [2, integer], path: [3, text] })],
      }),
    ),
  ],
  defaultMode: [2, integer],
});

const VOLUMES = each(
  regrouped(
    { name: [1, text], source: [2, message({ projected: [26, PROJECTED_VOLUME] })] },
    ({ name, ...source }) => ({
      name,
      source,
    }),
  ),
);

const POD_SPEC: Fields = {
  volumes: [1, VOLUMES],
  containers: [2, CONTAINERS],
  restartPolicy: [3, text],
  terminationGracePeriodSeconds: [4, integer],
  dnsPolicy: [6, text],
  nodeSelector: [7, mapOf(text)],
  serviceAccountName: [8, text],
  serviceAccount: [9, text],
  nodeName: [10, text],
  hostNetwork: [11, bool],
  securityContext: [14, message({})],
  schedulerName: [19, text],
  initContainers: [20, CONTAINERS],
  tolerations: [
    22,
    each(
      message({
        key: [1, text],
        operator: [2, text],
        value: [3, text],
        effect: [4, text],
        tolerationSeconds: [5, integer],
      }),
    ),
  ],
  priority: [25, integer],
  enableServiceLinks: [30, bool],
  preemptionPolicy: [31, text],
};

const CONTAINER_STATE = message({
  waiting: [1, message({ reason: [1, text], message: [2, text] })],
  running: [2, message({ startedAt: [1, time] })],
  terminated: [
    3,
    message({
      exitCode: [1, integer],
      reason: [3, text],
      startedAt: [5, time],
      finishedAt: [6, time],
      containerID: [7, text],
    }),
  ],
});

const CONTAINER_STATUSES = each(
  message({
    name: [1, text],
    state: [2, CONTAINER_STATE],
    lastState: [3, CONTAINER_STATE],
    ready: [4, bool],
    restartCount: [5, integer],
    image: [6, text],
    imageID: [7, text],
    containerID: [8, text],
    started: [9, bool],
  }),
);

const CONDITIONS = each(
  message({
    type: [1, text],
    status: [2, text],
    lastProbeTime: [3, time],
    lastTransitionTime: [4, time],
    reason: [5, text],
    message: [6, text],
  }),
);

const NODE_CONDITIONS = each(
  message({
    type: [1, text],
    status: [2, text],
    lastHeartbeatTime: [3, time],
    lastTransitionTime: [4, time],
    reason: [5, text],
    message: [6, text],
  }),
);

const POD_STATUS: Fields = {
  phase: [1, text],
  conditions: [2, CONDITIONS],
  message: [3, text],
  reason: [4, text],
  hostIP: [5, text],
  podIP: [6, text],
  startTime: [7, time],
  containerStatuses: [8, CONTAINER_STATUSES],
  qosClass: [9, text],
  initContainerStatuses: [10, CONTAINER_STATUSES],
  podIPs: [12, each(message({ ip: [1, text] }))],
  ephemeralContainerStatuses: [13, CONTAINER_STATUSES],
};

/** Of each kind that is given whole, what it has beside metadata. */
const KINDS: Readonly<Record<string, Fields>> = {
  Pod: { spec: [2, message(POD_SPEC)], status: [3, message(POD_STATUS)] },
  Node: {
    spec: [
      2,
      message({
        podCIDR: [1, text],
        providerID: [3, text],
        taints: [5, each(message({ key: [1, text], value: [2, text], effect: [3, text] }))],
        podCIDRs: [7, each(text)],
      }),
    ],
    status: [
      3,
      message({
        capacity: [1, mapOf(inText)],
        allocatable: [2, mapOf(inText)],
        conditions: [4, NODE_CONDITIONS],
        addresses: [5, each(message({ type: [1, text], address: [2, text] }))],
        images: [8, each(message({ names: [1, each(text)], sizeBytes: [2, integer] }))],
      }),
    ],
  },
  Service: {
    spec: [
      2,
      message({
        ports: [
          1,
          each(
            message({
              name: [1, text],
              protocol: [2, text],
              port: [3, integer],
              targetPort: [4, intOrText],
              nodePort: [5, integer],
            }),
          ),
        ],
        selector: [2, mapOf(text)],
        clusterIP: [3, text],
        type: [4, text],
        externalIPs: [5, each(text)],
        externalName: [10, text],
        clusterIPs: [18, each(text)],
        ipFamilies: [19, each(text)],
      }),
    ],
    status: [
      3,
      message({
        loadBalancer: [1, message({ ingress: [1, each(message({ ip: [1, text], hostname: [2, text] }))] })],
      }),
    ],
  },
  EndpointSlice: {
    endpoints: [
      2,
      each(
        message({
          addresses: [1, each(text)],
          conditions: [2, message({ ready: [1, bool], serving: [2, bool], terminating: [3, bool] })],
          hostname: [3, text],
          targetRef: [
            4,
            message({
              kind: [1, text],
              namespace: [2, text],
              name: [3, text],
              uid: [4, text],
              apiVersion: [5, text],
            }),
          ],
          nodeName: [6, text],
          zone: [7, text],
        }),
      ),
    ],
    ports: [3, each(message({ name: [1, text], protocol: [2, text], port: [3, integer], appProtocol: [4, text] }))],
    addressType: [4, text],
  },
};

const LIST_METADATA: Fields = {
  resourceVersion: [2, text],
  continue: [3, text],
  remainingItemCount: [4, integer],
};

export interface ProtobufList {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: JsonObject;
  readonly items: readonly JsonObject[];
}

/** Kinds of which whole lists can be had in this form. */
export function hasProtobuf(kind: string): boolean {
  return KINDS[kind] !== undefined;
}

/** @param kind of the items; without one their metadata alone is given */
export function protobufList(kind: string | undefined, { kind: listKind, apiVersion, metadata, items }: ProtobufList) {
  const fields: Fields = { metadata: [1, message(METADATA)], ...(kind === undefined ? {} : KINDS[kind]) };
  const list = new BinaryWriter();
  message(LIST_METADATA)(list, 1, metadata, 'metadata');
  items.forEach((item, index) => {
    const { kind: _, apiVersion: __, ...rest } = item;
    const given = kind === undefined ? { metadata: rest['metadata'] } : rest;
    message(fields)(list, 2, given, `items[${index}]`);
  });
  const frame = new BinaryWriter();
  message({ apiVersion: [1, text], kind: [2, text] })(frame, 1, { apiVersion, kind: listKind }, 'type');
  frame.tag(2, WireType.LengthDelimited).bytes(list.finish());
  frame.tag(3, WireType.LengthDelimited).string('').tag(4, WireType.LengthDelimited).string('');
  return Buffer.concat([Buffer.from('k8s\0'), frame.finish()]);
}
