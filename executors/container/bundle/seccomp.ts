import { allowedSyscalls } from './syscalls.js';

/** A filter in the form of an OCI runtime configuration. */
export interface SeccompProfile {
  readonly defaultAction: string;
  readonly defaultErrnoRet: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly object[];
}

const ENOSYS = 38;
const EPERM = 1;
const AF_VSOCK = 40;
/** CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET of clone(2). */
const newNamespaces = 0x7e020000;
/** PER_LINUX, PER_LINUX32, with and without UNAME26, and the question (0xffffffff), of personality(2). */
const personalities = [0, 8, 0x20000, 0x20008, 0xffffffff];

const allow = (names: readonly string[], args?: readonly object[]) => ({
  names,
  action: 'SCMP_ACT_ALLOW',
  ...(args ? { args } : {}),
});

/** Docker's default rules: what is not allowed fails with EPERM, clone3 with ENOSYS so that libc falls back to clone. */
export function defaultSeccomp(architecture: string): SeccompProfile {
  const arm = architecture === 'aarch64';
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: EPERM,
    architectures: arm
      ? ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM']
      : ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
    syscalls: [
      allow(allowedSyscalls),
      allow(['socket'], [{ index: 0, value: AF_VSOCK, op: 'SCMP_CMP_NE' }]),
      allow(['clone'], [{ index: 0, value: newNamespaces, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }]),
      ...personalities.map(value => allow(['personality'], [{ index: 0, value, op: 'SCMP_CMP_EQ' }])),
      { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
    ],
  };
}
