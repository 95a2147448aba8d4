import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { COMPARED, echoService, executionService } from './echo.js';

/**
 * A bare grpc-js server on the socket `echo.sock` of the directory that its first argument names: it echoes bytes, and
 * it answers the compared calls with the one message of `METHOD.bin`, decoded once. It ends with its stdin.
 */
const [directory = ''] = process.argv.slice(2);
const server = new Server();
server.addService(echoService(), {
  Say: (call: ServerUnaryCall<object, object>, callback: sendUnaryData<object>) =>
    callback(null, call.request),
});
const execution = executionService();
const fixed = COMPARED.map(method => {
  const answer = execution[method]!.responseDeserialize(readFileSync(join(directory, `${method}.bin`)));
  return [method, (_call: unknown, callback: sendUnaryData<object>) => callback(null, answer)] as const;
});
server.addService(execution, Object.fromEntries(fixed));
server.bindAsync(`unix:${join(directory, 'echo.sock')}`, ServerCredentials.createInsecure(), error => {
  if (error) throw error;
  process.stdout.write('ready\n');
});
process.stdin.resume().once('end', () => process.exit(0));
