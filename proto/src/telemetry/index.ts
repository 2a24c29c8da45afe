// What agent and aggregator say of themselves to monitoring: apart from the rest, because it is no part of the wire.
export { Histogram } from './histogram.ts';
export { LISTEN_ADDRESS_FORM, type ListenAddress, parseListenAddress } from './listen-address.ts';
export { LABEL_SEPARATOR, type Metric, metricsTable, metricsText, PROCESS_METRICS } from './metric.ts';
export { createTelemetryServer, type TelemetryServer } from './telemetry-server.ts';
