// The standard health service (grpc.health.v1), for probes and load balancers. Our own few lines: the published package reads
// its .proto from its folder when it runs, which a bundle does not have. Asks; decides nothing.
import { create } from '@bufbuild/protobuf';
import { grpcService, type RpcService } from '@flowtoll/proto';
import {
  Health,
  type HealthCheckRequest,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus,
  HealthCheckResponseSchema,
  type HealthListRequest,
  type HealthListResponse,
  HealthListResponseSchema,
} from '@flowtoll/proto/standard-services';
import { type ServerUnaryCall, type ServerWritableStream, type sendUnaryData, status } from '@grpc/grpc-js';
import { type Schedule, timers } from '../model/schedule.ts';

export interface HealthDependencies {
  /** Full names of the services; "" is the server as a whole and need not be named. */
  readonly services: readonly string[];
  /** Whether the server as a whole is ready. */
  readonly isServing: () => boolean;
  readonly schedule?: Schedule;
}

export interface HealthServer extends RpcService {
  /** Says NOT_SERVING to whoever watches or asks from now on, and ends the watches. */
  stop(): void;
}

/** How often a watch looks whether something has changed, in ms. */
const LOOK_MS = 1000;
/** Watches at one time. Anybody may ask for health; each watch has a timer. */
const WATCHES_MAX = 100;

type WatchCall = ServerWritableStream<HealthCheckRequest, HealthCheckResponse>;

export function createHealthService(dependencies: HealthDependencies): HealthServer {
  const schedule = dependencies.schedule ?? timers;
  const known = new Set(['', ...dependencies.services]);
  const endings = new Set<() => void>();
  let stopped = false;

  const statusNow = () =>
    !stopped && dependencies.isServing()
      ? HealthCheckResponse_ServingStatus.SERVING
      : HealthCheckResponse_ServingStatus.NOT_SERVING;
  const response = (serving: HealthCheckResponse_ServingStatus) =>
    create(HealthCheckResponseSchema, { status: serving });

  return {
    definition: grpcService(Health),
    implementation: {
      check(call: ServerUnaryCall<HealthCheckRequest, HealthCheckResponse>, done: sendUnaryData<HealthCheckResponse>) {
        const { service } = call.request;
        if (known.has(service)) done(null, response(statusNow()));
        else done({ code: status.NOT_FOUND, details: `there is no service ${JSON.stringify(service.slice(0, 100))}` });
      },
      list(_: ServerUnaryCall<HealthListRequest, HealthListResponse>, done: sendUnaryData<HealthListResponse>) {
        const statuses = Object.fromEntries([...known].map((service) => [service, response(statusNow())]));
        done(null, create(HealthListResponseSchema, { statuses }));
      },
      watch(call: WatchCall) {
        if (endings.size >= WATCHES_MAX) {
          const details = `there are ${WATCHES_MAX} watches of health here, as many as may be: use Check`;
          call.emit('error', { code: status.RESOURCE_EXHAUSTED, details });
          return;
        }
        const isKnown = known.has(call.request.service);
        let said: HealthCheckResponse_ServingStatus | undefined;
        let cancel = () => {};
        const look = () => {
          const now = isKnown ? statusNow() : HealthCheckResponse_ServingStatus.SERVICE_UNKNOWN;
          if (now !== said) call.write(response(now));
          said = now;
          cancel = schedule(look, LOOK_MS);
        };
        const leave = () => {
          cancel();
          endings.delete(end);
        };
        const end = () => {
          leave();
          if (isKnown && said !== statusNow()) call.write(response(statusNow()));
          call.end();
        };
        endings.add(end);
        call.on('cancelled', leave);
        call.on('close', leave);
        look();
      },
    },
    stop() {
      stopped = true;
      for (const end of endings) end();
    },
  };
}
