// The stand-in's API server: lists in pages, watches with bookmarks, 410, metadata-only answers, gzip, RBAC, and what tests write with.
// Knows the protocol; the objects mean nothing to it but for the deletion of pods.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Access } from './access.ts';
import { created } from './defaults.ts';
import { keyOf, type ObjectStore, type StandInObject } from './object-store.ts';
import { deletePod } from './pod-deletion.ts';
import { hasProtobuf, protobufList } from './protobuf.ts';
import { apiVersionOf, qualifiedName, SERVED_RESOURCES, type ServedResource } from './resource-table.ts';

export interface ApiServerOptions {
  /** Between bookmarks of a watch, ms. The real one takes about a minute. */
  readonly bookmarkMs: number;
  /** Answers of more bytes are compressed for who takes it; the real one begins at 128 KiB. */
  readonly gzipBytes: number;
  /** Keeps zipped answers to lists, and gives them again while nothing changes: for benchmarks of who reads them. */
  readonly keepLists: boolean;
}

/** What a path names. */
interface Target {
  readonly resource: ServedResource;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

interface Answer {
  readonly status: number;
  /** Text is JSON, or what else its beginning says; bytes are Protocol Buffers. */
  readonly body: string | Buffer;
}

const PROTOBUF = 'application/vnd.kubernetes.protobuf';

const compress = promisify(gzip);
const GZIP_LEVEL = 1;

export function createApiServer(store: ObjectStore, access: Access, options: ApiServerOptions): Server {
  let lastClusterIp = 0;
  const clusterIp = (): string => {
    lastClusterIp++;
    return `10.96.${lastClusterIp >> 8}.${lastClusterIp & 255}`;
  };

  const keptLists = new Map<string, ZippedList>();
  let keptVersion = 0;

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET' } = request;
    const url = new URL(request.url ?? '/', 'http://stand-in');
    const user = access.userOf(request.headers.authorization);
    if (user === undefined) return send(request, response, status(401, 'Unauthorized', 'Unauthorized'));
    const discovered = method === 'GET' ? discovery(url.pathname) : undefined;
    if (discovered !== undefined) return send(request, response, { status: 200, body: discovered });
    const target = parsePath(url.pathname);
    if (target === undefined) return send(request, response, unknownPath(url.pathname));
    const watching = url.searchParams.get('watch') === 'true';
    const verb = verbOf(method, target, watching);
    if (!access.mayDo(user, verb, target.resource)) return send(request, response, forbidden(user, verb, target));
    if (watching) return watch(request, response, target, url.searchParams);
    const kept = verb === 'list' && keptList(request);
    if (kept) return sendZipped(response, kept);
    await send(request, response, await answer(request, method, target, url.searchParams));
  };

  const answer = async (
    request: IncomingMessage,
    method: string,
    target: Target,
    query: URLSearchParams,
  ): Promise<Answer> => {
    switch (method) {
      case 'POST':
        return create(target, await bodyOf(request));
      case 'PATCH':
        return patch(target, await bodyOf(request));
      case 'DELETE':
        return remove(target, await bodyOf(request));
      default:
        return target.name === undefined ? list(request, target, query) : get(target);
    }
  };

  const get = (target: Target): Answer => {
    const text = store.text(target.resource.plural, keyOfTarget(target));
    return text === undefined ? notFound(target) : { status: 200, body: text };
  };

  const list = (request: IncomingMessage, { resource, namespace }: Target, query: URLSearchParams): Answer => {
    const limit = Number(query.get('limit') ?? 0);
    const prefix = namespace === undefined ? '' : `${namespace}/`;
    const token = query.get('continue');
    const place = token === null ? undefined : parseToken(token);
    if (token !== null && place === undefined) {
      return status(400, 'BadRequest', 'invalid continue token: continue key is not valid: not JSON');
    }
    const page =
      place === undefined
        ? store.firstPage(resource.plural, prefix, limit)
        : store.nextPage(resource.plural, place.rv, place.start, limit);
    if (page === undefined) return expiredList(place!.start);
    const metadata = {
      resourceVersion: String(page.version),
      ...(page.next === undefined
        ? {}
        : { continue: tokenText(page.version, page.next), remainingItemCount: page.remaining }),
    };
    const partial = wantsMetadata(request);
    const head = partial
      ? { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata }
      : { kind: `${resource.kind}List`, apiVersion: apiVersionOf(resource), metadata };
    if (wantsProtobuf(request) && (partial || hasProtobuf(resource.kind))) {
      const items = page.texts.map((text) => JSON.parse(text) as StandInObject);
      return { status: 200, body: protobufList(partial ? undefined : resource.kind, { ...head, items }) };
    }
    const items = page.texts.map(partial ? metadataText : itemText);
    // The real one, too, writes null for no metadata.
    const itemsText = partial && items.length === 0 ? 'null' : `[${items.join(',')}]`;
    return { status: 200, body: `${JSON.stringify(head).slice(0, -1)},"items":${itemsText}}` };
  };

  const watch = (
    request: IncomingMessage,
    response: ServerResponse,
    { resource, namespace }: Target,
    query: URLSearchParams,
  ): void => {
    const from = query.get('resourceVersion') ?? '0';
    if (!/^\d+$/.test(from)) {
      void send(request, response, status(500, undefined, `resourceVersion: Invalid value: "${from}"`));
      return;
    }
    const project = wantsMetadata(request) ? metadataText : (text: string) => text;
    const write = (type: string, text: string): boolean => response.write(`{"type":"${type}","object":${text}}\n`);
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
    response.flushHeaders();
    if (!store.remembers(Number(from))) {
      write('ERROR', statusText(410, 'Expired', `too old resource version: ${from} (${store.version})`));
      response.end();
      return;
    }
    const unfollow = store.follow(resource.plural, Number(from), ({ type, text }) => {
      if (namespace === undefined || (JSON.parse(text) as StandInObject).metadata.namespace === namespace) {
        write(type, project(text));
      }
    });
    const kind = wantsMetadata(request)
      ? { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1' }
      : { kind: resource.kind, apiVersion: apiVersionOf(resource) };
    const bookmark = (): void => {
      const metadata = { resourceVersion: String(store.version), creationTimestamp: null };
      write('BOOKMARK', JSON.stringify({ ...kind, metadata }));
    };
    const bookmarks =
      query.get('allowWatchBookmarks') === 'true' ? setInterval(bookmark, options.bookmarkMs) : undefined;
    const seconds = Number(query.get('timeoutSeconds') ?? 1800);
    const timeout = setTimeout(() => response.end(), seconds * 1000);
    response.on('close', () => {
      unfollow();
      clearInterval(bookmarks);
      clearTimeout(timeout);
    });
  };

  const create = ({ resource, namespace, name, subresource }: Target, body: Partial<StandInObject>): Answer => {
    if (resource.plural === 'serviceaccounts' && name !== undefined && subresource === 'token') {
      const token = access.issue(namespace ?? 'default', name);
      return { status: 201, body: JSON.stringify({ ...body, status: { token } }) };
    }
    const key = keyOf({ name: body.metadata?.name ?? '', ...(resource.namespaced ? { namespace: namespace! } : {}) });
    if (store.text(resource.plural, key) !== undefined) {
      return status(409, 'AlreadyExists', `${qualifiedName(resource)} "${body.metadata?.name}" already exists`);
    }
    return {
      status: 201,
      body: JSON.stringify(store.put(resource.plural, created(resource, namespace, body, clusterIp))),
    };
  };

  const patch = (target: Target, body: Partial<StandInObject>): Answer => {
    const { resource, subresource } = target;
    const object = store.get(resource.plural, keyOfTarget(target));
    if (object === undefined) return notFound(target);
    const { status: _, ...rest } = body;
    const change = subresource === 'status' ? { status: body['status'] } : rest;
    const changed = merged(object, change) as StandInObject;
    // A write that changes nothing makes no version.
    if (JSON.stringify(changed) === JSON.stringify(object)) return { status: 200, body: JSON.stringify(object) };
    if (JSON.stringify(changed['spec']) !== JSON.stringify(object['spec'])) {
      changed.metadata.generation = (object.metadata.generation ?? 0) + 1;
    }
    return { status: 200, body: JSON.stringify(store.put(resource.plural, changed)) };
  };

  const remove = (target: Target, body: Partial<StandInObject>): Answer => {
    const { resource } = target;
    const key = keyOfTarget(target);
    const object = store.get(resource.plural, key);
    if (object === undefined) return notFound(target);
    const ended =
      resource.plural === 'pods'
        ? deletePod(store, object, body['gracePeriodSeconds'])
        : store.remove(resource.plural, key);
    return { status: 200, body: JSON.stringify(ended) };
  };

  const send = async (request: IncomingMessage, response: ServerResponse, { status: code, body }: Answer) => {
    const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body);
    const type = contentType(body);
    const zipped = bytes.length > options.gzipBytes && String(request.headers['accept-encoding']).includes('gzip');
    if (zipped) {
      const payload = await compress(bytes, { level: GZIP_LEVEL });
      if (options.keepLists) keptLists.set(listKey(request), { payload, type });
      sendZipped(response, { payload, type });
      return;
    }
    response.writeHead(code, {
      'content-type': type,
      'cache-control': 'no-cache, private',
      'content-length': bytes.length,
    });
    response.end(bytes);
  };

  const keptList = (request: IncomingMessage): ZippedList | undefined => {
    if (store.version !== keptVersion) keptLists.clear();
    keptVersion = store.version;
    return keptLists.get(listKey(request));
  };

  return createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else void send(request, response, status(500, 'InternalError', String(error)));
    });
  });
}

interface ZippedList {
  readonly payload: Buffer;
  readonly type: string;
}

function sendZipped(response: ServerResponse, { payload, type }: ZippedList): void {
  response.writeHead(200, {
    'content-type': type,
    'cache-control': 'no-cache, private',
    'content-length': payload.length,
    'content-encoding': 'gzip',
  });
  response.end(payload);
}

function listKey({ url, headers }: IncomingMessage): string {
  return `${url} ${headers.accept} ${headers['accept-encoding']}`;
}

async function bodyOf(request: IncomingMessage): Promise<Partial<StandInObject>> {
  return request.headers['content-type'] === undefined && request.headers['content-length'] === undefined
    ? {}
    : (JSON.parse(await text(request), wholeSeconds) as Partial<StandInObject>);
}

/** Times of objects are kept so. */
function wholeSeconds(_: string, value: unknown): unknown {
  return typeof value === 'string' ? value.replace(/^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z$/, '$1Z') : value;
}

/** /api/v1/… or /apis/group/version/…, then perhaps namespaces/…, then a plural, a name, a subresource. */
function parsePath(path: string): Target | undefined {
  const parts = path.split('/').slice(1).map(decodeURIComponent);
  const [root, ...afterRoot] = parts;
  const [group, version, ...rest] = root === 'api' ? ['', ...afterRoot] : root === 'apis' ? afterRoot : [];
  const scoped = rest[0] === 'namespaces' && rest.length >= 3;
  const namespace = scoped ? rest[1] : undefined;
  const [plural, name, subresource] = scoped ? rest.slice(2) : rest;
  const resource = SERVED_RESOURCES.find(
    (served) => served.group === group && served.version === version && served.plural === plural,
  );
  return resource === undefined ? undefined : { resource, namespace, name, subresource };
}

/** What a group and version serve; undefined if the path asks for something else. */
function discovery(path: string): string | undefined {
  const match = /^\/(?:api|apis\/([^/]+))\/([^/]+)$/.exec(path);
  if (match === null) return undefined;
  const [, group = '', version] = match;
  const resources = SERVED_RESOURCES.filter((served) => served.group === group && served.version === version);
  if (resources.length === 0) return undefined;
  return JSON.stringify({
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf(resources[0]!),
    resources: resources.map(({ plural, kind, namespaced }) => ({
      ...{ name: plural, singularName: kind.toLowerCase(), namespaced, kind },
      verbs: ['create', 'delete', 'get', 'list', 'patch', 'watch'],
    })),
  });
}

function verbOf(method: string, { name }: Target, watching: boolean): string {
  if (method === 'POST') return 'create';
  if (method === 'PATCH') return 'patch';
  if (method === 'DELETE') return 'delete';
  if (watching) return 'watch';
  return name === undefined ? 'list' : 'get';
}

function keyOfTarget({ resource, namespace, name }: Target): string {
  return keyOf({ name: name ?? '', ...(resource.namespaced ? { namespace: namespace ?? '' } : {}) });
}

function wantsMetadata(request: IncomingMessage): boolean {
  return /as=PartialObjectMetadata/.test(request.headers.accept ?? '');
}

/** What is named first is wanted most. */
function wantsProtobuf(request: IncomingMessage): boolean {
  return request.headers.accept?.startsWith(PROTOBUF) === true;
}

function contentType(body: string | Buffer): string {
  if (Buffer.isBuffer(body)) return PROTOBUF;
  return body.startsWith('{') ? 'application/json' : 'text/plain; charset=utf-8';
}

/** Items of a list do not say their kind: the list does. */
function itemText(text: string): string {
  return `{${text.slice(text.indexOf('"metadata":'))}`;
}

function metadataText(text: string): string {
  const { metadata } = JSON.parse(text) as StandInObject;
  return JSON.stringify({ kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata });
}

function tokenText(rv: number, start: string): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv, start })).toString('base64url');
}

function parseToken(token: string): { readonly rv: number; readonly start: string } | undefined {
  try {
    return JSON.parse(Buffer.from(token, 'base64url').toString()) as { rv: number; start: string };
  } catch {
    return undefined;
  }
}

function merged(value: unknown, change: unknown): unknown {
  if (!isRecord(change)) return change;
  const result: Record<string, unknown> = isRecord(value) ? { ...value } : {};
  for (const [key, part] of Object.entries(change)) {
    if (part === null) delete result[key];
    else result[key] = merged(result[key], part);
  }
  return result;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function status(code: number, reason: string | undefined, message: string, details?: object): Answer {
  return { status: code, body: statusText(code, reason, message, details) };
}

function statusText(code: number, reason: string | undefined, message: string, details?: object): string {
  const body = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, details, code };
  return JSON.stringify(body);
}

/** With a token for whoever wants the rest as it is now; the stand-in does not take it. */
function expiredList(start: string): Answer {
  const message = 'The provided continue parameter is too old to display a consistent list result.';
  const body = JSON.parse(statusText(410, 'Expired', message)) as object;
  return { status: 410, body: JSON.stringify({ ...body, metadata: { continue: tokenText(-1, start) } }) };
}

function notFound({ resource, name }: Target): Answer {
  const message = `${qualifiedName(resource)} "${name}" not found`;
  return status(404, 'NotFound', message, {
    name,
    ...(resource.group === '' ? {} : { group: resource.group }),
    kind: resource.plural,
  });
}

/** A group that is not served has no handler at all; one that is says it as an object. */
function unknownPath(path: string): Answer {
  const known = SERVED_RESOURCES.some(({ group, version }) =>
    path.startsWith(group === '' ? `/api/${version}/` : `/apis/${group}/${version}/`),
  );
  return known
    ? status(404, 'NotFound', 'the server could not find the requested resource', {})
    : { status: 404, body: '404 page not found\n' };
}

function forbidden(user: string, verb: string, { resource }: Target): Answer {
  const message =
    `${qualifiedName(resource)} is forbidden: User "${user}" cannot ${verb} resource "${resource.plural}" ` +
    `in API group "${resource.group}" at the cluster scope`;
  return status(403, 'Forbidden', message, {
    ...(resource.group === '' ? {} : { group: resource.group }),
    kind: resource.plural,
  });
}
