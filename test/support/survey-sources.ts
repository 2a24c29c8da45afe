// What the agent finds on a node before it chooses a source, for cilium.test.ts: prints it, and ends with its input. Argument:
// the directory of Cilium's maps.
import { CILIUM_DEFAULTS } from '../../agent/src/config.ts';
import { surveySources } from '../../agent/src/source-survey.ts';

const survey = surveySources({ ...CILIUM_DEFAULTS, maps: process.argv[2]! }, () => Date.now() * 1000);
process.stdout.write(`${JSON.stringify(survey)}\n`);
process.stdin.resume();
