#!/usr/bin/env bash
# The one build script: ./build.sh restore|build|test|fmt|bench
set -euo pipefail
cd "$(dirname "$0")"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
case "${1:-build}" in
  restore) dotnet restore Strata.slnx ;;
  build) dotnet build Strata.slnx -c Release ;;
  test) shift; dotnet test Strata.slnx -c Release "$@" ;;
  fmt) dotnet format Strata.slnx ;;
  *) echo "usage: ./build.sh restore|build|test|fmt|bench" >&2; exit 2 ;;
esac
