# syntax=docker/dockerfile:1
# The image of the aggregator: docker buildx build --file images/aggregator.Dockerfile --platform linux/amd64,linux/arm64 .
# Its root file system is that of `node images/assemble.ts aggregator`, which runs here, too: bundle, Node, and of Debian the files that these need,
# all by the checksums of package-lock.json and images/images.lock.json. A test compares this file with the assembler's configuration.

# Nothing is emulated: files for another architecture are fetched, and none of them is run.
FROM --platform=$BUILDPLATFORM docker.io/library/node:24.21.0-trixie AS build
WORKDIR /src
# The lists of packages stay: the assembler asks apt where this Debian comes from.
RUN apt-get update && apt-get install --yes --no-install-recommends debian-archive-keyring python3-pip
COPY package.json package-lock.json ./
COPY agent/package.json agent/
COPY aggregator/package.json aggregator/
COPY proto/package.json proto/
COPY test/package.json test/
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY LICENSE ./
COPY proto proto
COPY aggregator aggregator
COPY images images
ARG TARGETARCH
RUN node images/assemble.ts aggregator --root-only --platform linux/$TARGETARCH --out /out && mv /out/aggregator-$TARGETARCH /out/root

FROM scratch
COPY --from=build /out/root/ /
ENV PATH=/usr/local/bin HOME=/tmp MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=32768 MALLOC_TRIM_THRESHOLD_=131072 \
    FLOWTOLL_EXTENSIONS=/opt/flowtoll/duckdb-extensions
USER 65532:65532
WORKDIR /
EXPOSE 4460/tcp 4461/tcp 9464/tcp
STOPSIGNAL SIGTERM
LABEL org.opencontainers.image.title="Flowtoll aggregator" \
      org.opencontainers.image.description="Names, prices and stores what every Kubernetes network flow costs" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.vendor="Flowtoll" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/flowtoll/flowtoll" \
      org.opencontainers.image.documentation="https://github.com/flowtoll/flowtoll/blob/main/docs/images.md"
ENTRYPOINT ["/usr/local/bin/node", "/opt/flowtoll/flowtoll.mjs"]
CMD ["--help"]
