// Checks who imports whom (.dependency-cruiser.cjs), and that the check saw the code at all: a cruise over nothing is
// clean too, so the number of files seen has a floor that rises with the project.
const { execFileSync } = require('node:child_process');

const FLOOR = 100;

const output = execFileSync(
  'npx',
  [
    'depcruise',
    '--config',
    '.dependency-cruiser.cjs',
    '--output-type',
    'json',
    'portlayer',
    'executors',
    'loaders',
    'test',
  ],
  { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024, stdio: ['ignore', 'pipe', 'inherit'] },
);
const { summary, modules } = JSON.parse(output);
const ours = modules.filter(module => /^(portlayer|executors|loaders|test)\/.*\.ts$/.test(module.source));
for (const violation of summary.violations) {
  console.error(`${violation.rule.severity} ${violation.rule.name}: ${violation.from} -> ${violation.to}`);
}
console.log(`directions: ${ours.length} files, ${summary.violations.length} violations`);
if (ours.length < FLOOR) {
  console.error(
    `directions: only ${ours.length} files seen, at least ${FLOOR} expected; the cruise is misconfigured`,
  );
  process.exit(1);
}
process.exit(summary.violations.length === 0 ? 0 : 1);
