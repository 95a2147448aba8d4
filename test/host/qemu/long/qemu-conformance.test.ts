import { createVmfork } from '../../../../executors/qemu/vmfork/mechanism.js';
import { kernelLoader } from '../../../../loaders/kernel/plugin.js';
import { executorSuite, loaderSuite, mechanismSuite } from '../../../conformance/conformance.js';
import { qemuSubject } from '../subject.js';

loaderSuite('kernel', async () => ({ loader: kernelLoader.create({}) }));
// What can be asked of it without a machine needs no place.
mechanismSuite('vmfork', async () => createVmfork(undefined as never));
executorSuite('qemu', () => qemuSubject());
