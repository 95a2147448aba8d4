import type { BindContainerRequest__Output } from '../../proto/types/portlayer/execution/v1/BindContainerRequest.js';
import type { CreateContainerRequest__Output } from '../../proto/types/portlayer/execution/v1/CreateContainerRequest.js';
import type { GetContainerRequest__Output } from '../../proto/types/portlayer/execution/v1/GetContainerRequest.js';
import type { KillContainerRequest__Output } from '../../proto/types/portlayer/execution/v1/KillContainerRequest.js';
import type { ListContainersRequest__Output } from '../../proto/types/portlayer/execution/v1/ListContainersRequest.js';
import type { RemoveContainerRequest__Output } from '../../proto/types/portlayer/execution/v1/RemoveContainerRequest.js';
import type { StartContainerRequest__Output } from '../../proto/types/portlayer/execution/v1/StartContainerRequest.js';
import type { StopContainerRequest__Output } from '../../proto/types/portlayer/execution/v1/StopContainerRequest.js';
import type { UpdateContainerRequest__Output } from '../../proto/types/portlayer/execution/v1/UpdateContainerRequest.js';
import type { WaitContainerRequest__Output } from '../../proto/types/portlayer/execution/v1/WaitContainerRequest.js';
import { CONTAINER_STATES, type ContainerRecord } from '../model/container-record.js';
import { type ApiContext, unary } from './call.js';
import {
  count,
  cpus,
  durationMs,
  given,
  invalid,
  page,
  requestId,
  requiredText,
  wordList,
} from './from-wire.js';
import { resourcesFromWire, specFromWire, triggerFromWire } from './spec-from-wire.js';
import { containerToWire, exitToWire } from './to-wire.js';

/** From SIGTERM to SIGKILL, where the caller does not say. */
const DEFAULT_GRACE_MS = 10_000;

/** The container calls of `Execution` with one answer. */
export function containerHandlers(context: ApiContext) {
  const { dispatch } = context;
  const one = async (record: Promise<ContainerRecord>) => ({ container: containerToWire(await record) });
  return {
    CreateContainer: unary(context, (request: CreateContainerRequest__Output) =>
      one(dispatch.createContainer(requestId(request.requestId), specFromWire(request.spec))),
    ),
    StartContainer: unary(context, (request: StartContainerRequest__Output) =>
      one(dispatch.startContainer(requestId(request.requestId), requiredText('name', request.name))),
    ),
    StopContainer: unary(context, (request: StopContainerRequest__Output) => {
      const graceMs = durationMs('grace', request.grace) ?? DEFAULT_GRACE_MS;
      return one(
        dispatch.stopContainer(requestId(request.requestId), requiredText('name', request.name), graceMs),
      );
    }),
    KillContainer: unary(context, (request: KillContainerRequest__Output) => {
      const signal = request.signal || 'SIGKILL';
      return one(
        dispatch.killContainer(requestId(request.requestId), requiredText('name', request.name), signal),
      );
    }),
    RemoveContainer: unary(context, async (request: RemoveContainerRequest__Output) => {
      const name = requiredText('name', request.name);
      await dispatch.removeContainer(requestId(request.requestId), name, request.force ?? false);
      return {};
    }),
    GetContainer: unary(context, (request: GetContainerRequest__Output) =>
      one(dispatch.getContainer(requiredText('name', request.name))),
    ),
    ListContainers: unary(context, async (request: ListContainersRequest__Output) => {
      const states = wordList('states', 'CONTAINER_STATE_', CONTAINER_STATES, request.states);
      const filter = given({ states, labels: request.labels });
      const found = await dispatch.listContainers(filter, page(request.pageSize, request.pageToken));
      return { containers: found.items.map(containerToWire), nextPageToken: found.nextPageToken ?? '' };
    }),
    WaitContainer: unary(context, async (request: WaitContainerRequest__Output, signal) => {
      const until = AbortSignal.any([signal, context.stopping]);
      return { exit: exitToWire(await dispatch.waitContainer(requiredText('name', request.name), until)) };
    }),
    BindContainer: unary(context, (request: BindContainerRequest__Output) => {
      const resources = given({
        cpus: request.cpus === undefined ? undefined : cpus('cpus', request.cpus),
        memoryBytes:
          request.memoryBytes === undefined ? undefined : count('memory_bytes', request.memoryBytes),
      });
      return one(
        dispatch.bindContainer(requestId(request.requestId), requiredText('name', request.name), resources),
      );
    }),
    UpdateContainer: unary(context, (request: UpdateContainerRequest__Output) => {
      if (!request.generation)
        throw invalid('generation', 'the generation that the caller saw', request.generation);
      const change = given({
        labels: request.labels?.labels,
        trigger: request.trigger && triggerFromWire(request.trigger),
        resources: request.resources && resourcesFromWire('resources', request.resources),
        memo: request.memo,
      });
      const name = requiredText('name', request.name);
      const generation = count('generation', request.generation);
      return one(dispatch.updateContainer(requestId(request.requestId), name, generation, change));
    }),
  };
}
