// Small documents in the formats of the providers, for the tests of this directory. Addresses are those that documentation may use,
// and a few private ones where these do not suffice.

/** AWS: S3 and DynamoDB with lists of their own, a service without one, an edge location, a Local Zone. */
export const AWS_DOCUMENT = JSON.stringify({
  syncToken: '1787411825',
  createDate: '2026-08-22-15-17-05',
  prefixes: [
    aws('198.51.100.0/24', 'us-east-1', 'AMAZON'),
    aws('198.51.100.0/24', 'us-east-1', 'EC2'),
    aws('198.51.100.64/26', 'us-east-1', 'S3'),
    aws('198.51.100.128/26', 'us-east-1', 'AMAZON'),
    aws('203.0.113.0/28', 'us-east-1', 'AMAZON'),
    aws('203.0.113.0/28', 'us-east-1', 'EC2'),
    aws('203.0.113.0/28', 'us-east-1', 'S3'),
    aws('203.0.113.16/28', 'GLOBAL', 'CLOUDFRONT'),
    aws('203.0.113.32/28', 'us-east-1', 'EC2', 'us-east-1-iah-1'),
  ],
  ipv6_prefixes: [
    { ipv6_prefix: '2001:db8:a::/48', region: 'eu-west-1', service: 'AMAZON', network_border_group: 'eu-west-1' },
    { ipv6_prefix: '2001:db8:a::/48', region: 'eu-west-1', service: 'EC2', network_border_group: 'eu-west-1' },
    { ipv6_prefix: '2001:db8:a:1::/64', region: 'eu-west-1', service: 'DYNAMODB', network_border_group: 'eu-west-1' },
  ],
});

/** Google: customers' machines in two regions, and addresses of none. */
export const CLOUD_DOCUMENT = JSON.stringify({
  syncToken: '1753409788780',
  creationTime: '2025-07-24T19:16:28.780563',
  prefixes: [
    { ipv4Prefix: '192.0.2.0/26', service: 'Google Cloud', scope: 'us-central1' },
    { ipv4Prefix: '198.18.0.0/16', service: 'Google Cloud', scope: 'us-central1' },
    { ipv4Prefix: '192.0.2.64/26', service: 'Google Cloud', scope: 'global' },
    { ipv6Prefix: '2001:db8:c::/48', service: 'Google Cloud', scope: 'europe-west1' },
  ],
});

/** All of Google's: 192.0.2.0/24 is not all of customers, 192.0.2.0/26 is; so is 198.18.7.0/24, in a wider range of theirs. */
export const GOOG_DOCUMENT = JSON.stringify({
  syncToken: '1753409788781',
  creationTime: '2025-07-24T19:16:28.781563',
  prefixes: [
    { ipv4Prefix: '192.0.2.0/24' },
    { ipv4Prefix: '192.0.2.0/26' },
    { ipv4Prefix: '198.18.7.0/24' },
    { ipv6Prefix: '2001:db8:c::/47' },
  ],
});

/** Azure: two regions, one with a name of its own; services with and without a region. */
export function azureDocument(changeNumber = 375): string {
  return JSON.stringify({
    changeNumber,
    cloud: 'Public',
    values: [
      azure('Storage', '', ['198.19.1.0/24', '198.19.129.0/24', '2001:db8:e:1::/64']),
      azure('Storage.WestEurope', 'westeurope', ['198.19.1.0/24', '2001:db8:e:1::/64']),
      azure('Sql.FranceCentral', 'centralfrance', ['198.19.130.0/24']),
      azure('AzureActiveDirectory.ServiceEndpoint', '', ['198.19.2.0/24']),
      azure('AzureCloud', '', ['198.19.0.0/17', '198.19.128.0/17', '2001:db8:e::/48']),
      azure('AzureCloud.westeurope', 'westeurope', ['198.19.0.0/17', '2001:db8:e::/48']),
      azure('AzureCloud.centralfrance', 'centralfrance', ['198.19.128.0/17']),
    ],
  });
}

function aws(ip_prefix: string, region: string, service: string, network_border_group = region): object {
  return { ip_prefix, region, service, network_border_group };
}

function azure(name: string, region: string, addressPrefixes: readonly string[]): object {
  const properties = { changeNumber: 1, region, regionId: 0, platform: 'Azure', systemService: '', addressPrefixes };
  return { name, id: name, properties };
}
