// Names of AWS regions in offer files: codes, long names of `fromLocation`, and prefixes of usage types. Facts only.

/** Code, long names, prefixes of usage types. A region that is not here is known where a row gives its code. */
const REGIONS: readonly (readonly [code: string, names: readonly string[], prefixes: readonly string[]])[] = [
  ['af-south-1', ['Africa (Cape Town)'], ['AFS1']],
  ['ap-east-1', ['Asia Pacific (Hong Kong)'], ['APE1']],
  ['ap-east-2', ['Asia Pacific (Taipei)'], ['APE2']],
  ['ap-northeast-1', ['Asia Pacific (Tokyo)'], ['APN1']],
  ['ap-northeast-2', ['Asia Pacific (Seoul)'], ['APN2']],
  ['ap-northeast-3', ['Asia Pacific (Osaka)', 'Asia Pacific (Osaka-Local)'], ['APN3']],
  ['ap-south-1', ['Asia Pacific (Mumbai)'], ['APS3']],
  ['ap-south-2', ['Asia Pacific (Hyderabad)'], ['APS5']],
  ['ap-southeast-1', ['Asia Pacific (Singapore)'], ['APS1']],
  ['ap-southeast-2', ['Asia Pacific (Sydney)'], ['APS2']],
  ['ap-southeast-3', ['Asia Pacific (Jakarta)'], ['APS4']],
  ['ap-southeast-4', ['Asia Pacific (Melbourne)'], ['APS6']],
  ['ap-southeast-5', ['Asia Pacific (Malaysia)'], ['APS7']],
  ['ap-southeast-6', ['Asia Pacific (New Zealand)'], []],
  ['ap-southeast-7', ['Asia Pacific (Thailand)'], []],
  ['ca-central-1', ['Canada (Central)'], ['CAN1']],
  ['ca-west-1', ['Canada West (Calgary)'], ['CAN2']],
  ['eu-central-1', ['EU (Frankfurt)', 'Europe (Frankfurt)'], ['EUC1']],
  ['eu-central-2', ['Europe (Zurich)', 'EU (Zurich)'], ['EUC2']],
  ['eu-north-1', ['EU (Stockholm)', 'Europe (Stockholm)'], ['EUN1']],
  ['eu-south-1', ['EU (Milan)', 'Europe (Milan)'], ['EUS1']],
  ['eu-south-2', ['Europe (Spain)', 'EU (Spain)'], ['EUS2']],
  ['eu-west-1', ['EU (Ireland)', 'Europe (Ireland)'], ['EU', 'EUW1']],
  ['eu-west-2', ['EU (London)', 'Europe (London)'], ['EUW2']],
  ['eu-west-3', ['EU (Paris)', 'Europe (Paris)'], ['EUW3']],
  ['il-central-1', ['Israel (Tel Aviv)'], ['ILC1']],
  ['me-central-1', ['Middle East (UAE)'], ['MEC1']],
  ['me-south-1', ['Middle East (Bahrain)'], ['MES1']],
  ['mx-central-1', ['Mexico (Central)'], ['MXC1']],
  ['sa-east-1', ['South America (Sao Paulo)', 'South America (São Paulo)'], ['SAE1']],
  ['us-east-1', ['US East (N. Virginia)'], ['USE1']],
  ['us-east-2', ['US East (Ohio)'], ['USE2']],
  ['us-gov-east-1', ['AWS GovCloud (US-East)'], ['UGE1']],
  ['us-gov-west-1', ['AWS GovCloud (US-West)', 'AWS GovCloud (US)'], ['UGW1']],
  ['us-west-1', ['US West (N. California)'], ['USW1']],
  ['us-west-2', ['US West (Oregon)'], ['USW2']],
];

const BY_NAME = new Map(REGIONS.flatMap(([code, names]) => names.map((name): [string, string] => [name, code])));
const BY_PREFIX = new Map(REGIONS.flatMap(([code, , all]) => all.map((prefix): [string, string] => [prefix, code])));

/** The code of a region by its long name. */
export function awsRegionOfName(name: string): string | undefined {
  return BY_NAME.get(name);
}

/** The code of the region that a prefix of usage types stands for. */
export function awsRegionOfPrefix(prefix: string): string | undefined {
  return BY_PREFIX.get(prefix);
}

/** Whether a text has the form of a region's code: "us-east-1", "us-gov-west-1", "eusc-de-east-1"; no zone, no Local Zone. */
export function isAwsRegionCode(text: string): boolean {
  return /^[a-z]{2,4}(-[a-z]+){1,2}-\d$/.test(text);
}
