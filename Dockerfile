# syntax=docker/dockerfile:1
# The image of murre: one static binary, no root. Built with `docker build --build-arg VERSION=$(git describe --always) .`
# The web client first; the program embeds it.
FROM node:22-bookworm-slim AS web
WORKDIR /src
COPY web/package.json web/package-lock.json web/.npmrc ./web/
COPY web/client/package.json ./web/client/
RUN --mount=type=cache,target=/root/.npm cd web && npm ci --ignore-scripts --no-audit --no-fund
COPY web ./web
RUN cd web && npx tsc -b && npx vite build && node scripts/embed.mjs dist /built

FROM golang:1.26.8-bookworm AS build
WORKDIR /src
# The modules alone first: this layer is kept while go.mod stays the same.
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
COPY --from=web /built ./pkg/webui/built
ARG VERSION=unknown
# CGO off: nothing to link against in the image below, and it runs on any kernel we support.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.built=$VERSION" -o /out/murre ./cmd/murre \
    && mkdir /out/data

# busybox and not scratch: a shell to look around with and wget for the healthcheck, for four megabytes.
FROM busybox:1.37.0-musl
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/murre /usr/local/bin/murre
# A volume mounted here takes over the owner, so that the server may write although it isn't root.
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
ENV MURRE_LISTEN=0.0.0.0:8080 MURRE_ADMIN=0.0.0.0:9090 MURRE_DATA=/data
VOLUME /data
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:9090/readyz"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/murre"]
CMD ["serve"]
