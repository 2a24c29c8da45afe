// Names of places in descriptions of Google's catalogue → regions. The catalogue has no fields for source and destination: a
// description names a city, or a part of the world. Facts only.

/** Region and the names that descriptions use for it. */
const CITIES: readonly (readonly [region: string, ...names: string[]])[] = [
  ['africa-south1', 'Johannesburg'],
  ['asia-east1', 'Taiwan', 'Changhua'],
  ['asia-east2', 'Hong Kong'],
  ['asia-northeast1', 'Tokyo'],
  ['asia-northeast2', 'Osaka'],
  ['asia-northeast3', 'Seoul', 'Korea', 'South Korea'],
  ['asia-south1', 'Mumbai'],
  ['asia-south2', 'Delhi'],
  ['asia-southeast1', 'Singapore'],
  ['asia-southeast2', 'Jakarta', 'Indonesia'],
  ['asia-southeast3', 'Bangkok', 'Thailand'],
  ['australia-southeast1', 'Sydney'],
  ['australia-southeast2', 'Melbourne'],
  ['europe-central2', 'Warsaw'],
  ['europe-north1', 'Finland', 'Hamina'],
  ['europe-north2', 'Stockholm'],
  ['europe-southwest1', 'Madrid'],
  ['europe-west1', 'Belgium', 'St. Ghislain'],
  ['europe-west10', 'Berlin'],
  ['europe-west12', 'Turin'],
  ['europe-west2', 'London'],
  ['europe-west3', 'Frankfurt'],
  ['europe-west4', 'Netherlands', 'Eemshaven'],
  ['europe-west6', 'Zurich', 'Zürich'],
  ['europe-west8', 'Milan'],
  ['europe-west9', 'Paris'],
  ['me-central1', 'Doha', 'Qatar'],
  ['me-central2', 'Dammam', 'Saudi Arabia'],
  ['me-west1', 'Tel Aviv', 'Israel'],
  ['northamerica-northeast1', 'Montreal', 'Montréal'],
  ['northamerica-northeast2', 'Toronto'],
  ['northamerica-south1', 'Mexico', 'Queretaro', 'Querétaro'],
  ['southamerica-east1', 'Sao Paulo', 'São Paulo'],
  ['southamerica-west1', 'Santiago', 'Chile'],
  ['us-central1', 'Iowa', 'Council Bluffs'],
  ['us-east1', 'South Carolina', 'Moncks Corner'],
  ['us-east4', 'Virginia', 'Northern Virginia', 'Ashburn'],
  ['us-east5', 'Columbus', 'Ohio'],
  ['us-south1', 'Dallas', 'Texas'],
  ['us-west1', 'Oregon', 'The Dalles'],
  ['us-west2', 'Los Angeles'],
  ['us-west3', 'Salt Lake City', 'Utah'],
  ['us-west4', 'Las Vegas', 'Nevada'],
];

/** Parts of the world, by the beginnings of the names of their regions; Indonesia is apart from Asia. */
const PARTS: readonly (readonly [names: readonly string[], prefixes: readonly string[]])[] = [
  [
    ['Americas', 'North America', 'Northern America'],
    ['us-', 'northamerica-'],
  ],
  [['EMEA', 'Europe'], ['europe-']],
  [['APAC', 'Asia'], ['asia-']],
  [['Oceania', 'Australia'], ['australia-']],
  [['Middle East'], ['me-']],
  [['Latin America', 'South America'], ['southamerica-']],
  [['Africa'], ['africa-']],
  [['Japan'], ['asia-northeast1', 'asia-northeast2']],
];

const NOT_OF_ITS_PART: ReadonlySet<string> = new Set(['asia-southeast2']);

const BY_NAME = new Map<string, GcpPlace>([
  ...PARTS.flatMap(([names, prefixes]) =>
    names.map((name): [string, GcpPlace] => [
      keyOf(name),
      {
        isCity: false,
        regions: CITIES.map(([region]) => region).filter(
          (region) => !NOT_OF_ITS_PART.has(region) && prefixes.some((prefix) => region.startsWith(prefix)),
        ),
      },
    ]),
  ),
  ...CITIES.flatMap(([region, ...names]) =>
    [region, ...names].map((name): [string, GcpPlace] => [keyOf(name), { isCity: true, regions: [region] }]),
  ),
]);

/** What a name stands for. */
export interface GcpPlace {
  /** A city is told apart from its part of the world: its own price counts. */
  readonly isCity: boolean;
  readonly regions: readonly string[];
}

/** The place by its name in a description, or by the name of its region. */
export function gcpPlace(name: string): GcpPlace | undefined {
  return BY_NAME.get(keyOf(name));
}

function keyOf(name: string): string {
  return name.trim().toLowerCase();
}
