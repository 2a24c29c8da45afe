# syntax=docker/dockerfile:1
# The image of the agent: docker buildx build --file images/agent.Dockerfile --platform linux/amd64,linux/arm64 .
# Its root file system is that of `node images/assemble.ts agent`, which runs here, too: bundle, Node, and of Debian the files that these need,
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
COPY agent agent
COPY images images
ARG TARGETARCH
RUN node images/assemble.ts agent --root-only --platform linux/$TARGETARCH --out /out && mv /out/agent-$TARGETARCH /out/root

FROM scratch
COPY --from=build /out/root/ /
ENV PATH=/usr/local/bin HOME=/tmp MALLOC_ARENA_MAX=1
USER 0:0
WORKDIR /
EXPOSE 9465/tcp
STOPSIGNAL SIGTERM
LABEL org.opencontainers.image.title="Flowtoll agent" \
      org.opencontainers.image.description="Reads what the kernel counted for each connection of a node" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.vendor="Flowtoll" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/flowtoll/flowtoll" \
      org.opencontainers.image.documentation="https://github.com/flowtoll/flowtoll/blob/main/docs/images.md"
ENTRYPOINT ["/usr/local/bin/node", "--single-threaded", "--no-maglev", "--max-semi-space-size=1", "/opt/flowtoll/flowtoll-agent.mjs"]
CMD ["run"]
