/**
 * Flags of `/proc/cpuinfo` that name instructions or registers which a program may use. The others name what the
 * kernel uses, what a hypervisor says of itself, or bugs: a program that moves to a host without them does not notice.
 */
const USED_BY_PROGRAMS =
  /^(3dnow|3dnowext|3dnowprefetch|abm|adx|aes|amx_.*|avx.*|bmi[12]|cldemote|clflush|clflushopt|clwb|clzero|cmov|cx16|cx8|enqcmd|erms|f16c|fma|fma4|fpu|fsgsbase|fsrm|fxsr|fxsr_opt|gfni|hle|ibs|lahf_lm|lzcnt|misalignsse|mmx|mmxext|monitorx|movbe|movdir64b|movdiri|ospke|pclmulqdq|pku|pni|popcnt|ptwrite|rdpid|rdpru|rdrand|rdseed|rdtscp|rtm|serialize|sha_ni|sha512|sm3|sm4|sse.*|ssse3|syscall|tbm|tsc|tsxldtrk|user_shstk|vaes|vpclmulqdq|waitpkg|xop|xsave|xsavec|xgetbv1)$/;
const X86 = /(^|,)(cx8|sse2)(,|$)/;

/** Those of a comma-separated list of CPU features that a program may have come to rely on; all of them where it is not of an x86 CPU. Pure. */
export function usedByPrograms(features: string): string {
  if (!X86.test(features)) return features;
  return features
    .split(',')
    .filter(feature => USED_BY_PROGRAMS.test(feature))
    .join(',');
}
