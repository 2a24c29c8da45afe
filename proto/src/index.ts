// Everything that agent and aggregator share: the generated types of flowtoll.v1, the codec of its columns, and the glue
// to grpc-js. They meet nowhere else, but for ./telemetry: how both are watched.
export * from '../gen/flowtoll/v1/flow_pb.ts';
export * from '../gen/flowtoll/v1/flow_service_pb.ts';
export * from '../gen/flowtoll/v1/ingest_service_pb.ts';
export type { FlowArrays, WireColumns } from './flow-arrays.ts';
export {
  ADDRESSES_MAX,
  type ColumnLimits,
  decodeFlowColumns,
  encodeFlowColumns,
  FLOWS_MAX,
} from './flow-columns.ts';
export { compressionOrder } from './flow-order.ts';
export { asBuffer, grpcMethod, grpcService, type RpcService, silenceGrpcLog } from './grpc.ts';
export { freeBytes } from './memory.ts';
export {
  encodeRowsMessage,
  type IntegerColumn,
  type RowColumn,
  type RowsMessage,
  type TextColumn,
} from './row-columns.ts';
export { decodeRowsMessage } from './row-columns-reader.ts';
export { WireError, type WireErrorCode } from './wire-error.ts';
export { WIRE_BYTES, WIRE_VARINT, WireReader } from './wire-reader.ts';
export { compressFrame, decompressFrame, frameContentSize } from './zstd.ts';
