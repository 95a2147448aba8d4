import protobuf from 'protobufjs';

// google/rpc/status.proto and error_details.proto, as far as they are used here.
const root = protobuf.Root.fromJSON({
  nested: {
    Any: { fields: { typeUrl: { type: 'string', id: 1 }, value: { type: 'bytes', id: 2 } } },
    Status: {
      fields: {
        code: { type: 'int32', id: 1 },
        message: { type: 'string', id: 2 },
        details: { rule: 'repeated', type: 'Any', id: 3 },
      },
    },
    ErrorInfo: {
      fields: {
        reason: { type: 'string', id: 1 },
        domain: { type: 'string', id: 2 },
        metadata: { keyType: 'string', type: 'string', id: 3 } as protobuf.IMapField,
      },
    },
  },
});
const statusType = root.lookupType('Status');
const errorInfoType = root.lookupType('ErrorInfo');
const ERROR_INFO_URL = 'type.googleapis.com/google.rpc.ErrorInfo';

/** The `google.rpc.ErrorInfo` of a failed call. */
export interface ErrorInfo {
  /** An error code of this project. */
  readonly reason: string;
  /** Who defines the code: `portlayer`. */
  readonly domain: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A `google.rpc.Status` with one ErrorInfo, as the trailer `grpc-status-details-bin` carries it. */
export function encodeStatus(code: number, message: string, info: ErrorInfo): Buffer {
  const value = errorInfoType.encode(errorInfoType.fromObject(info)).finish();
  const status = { code, message, details: [{ typeUrl: ERROR_INFO_URL, value }] };
  return Buffer.from(statusType.encode(statusType.fromObject(status)).finish());
}

/** The ErrorInfo of that trailer; undefined where there is none or the bytes are not such a message. */
export function decodeErrorInfo(bytes: Uint8Array): ErrorInfo | undefined {
  try {
    const status = statusType.toObject(statusType.decode(bytes), { arrays: true }) as {
      details: readonly { typeUrl?: string; value?: Uint8Array }[];
    };
    const any = status.details.find(detail => detail.typeUrl === ERROR_INFO_URL);
    if (!any) return undefined;
    return errorInfoType.toObject(errorInfoType.decode(any.value ?? new Uint8Array()), {
      defaults: true,
      objects: true,
    }) as ErrorInfo;
  } catch {
    return undefined;
  }
}
