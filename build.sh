#!/usr/bin/env bash
# The one build script. Needs the .NET 10 SDK; `bench` also python3, gcc, cpio and qemu-system-x86.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

usage() {
  cat >&2 <<'TEXT'
usage: ./build.sh COMMAND
  restore   fetch the packages
  build     build everything
  publish [native|ready-to-run]
            build the command that ./strata starts: native code where gcc or clang can link it, else precompiled for the .NET runtime
  test      build, then run every test; the last line counts them
  count FOLDER
            that line, of the .trx files in a folder
  soak [MINUTES]
            compare the engines on random programs for so long (default 10); STRATA_SEED repeats one
  fuzz [SEEDS]
            run the tests of hostile guests and viewers with so many seeds each (default 200, minutes); STRATA_SEED repeats one
  long      run the tests of the disks at length: 1,000 killed writers, 10,000 damaged images; needs qemu-utils; takes a quarter of an hour
  snapshots [ROUNDS]
            save and restore guests so often (default 300) at random moments, 500 killed writers, 10,000 changed snapshots; STRATA_SEED repeats
            one; takes hours
  kvm       run the architecture tests on this host's KVM
  e2e       build the debian images if need be, and test them, firmware, starts from the network and other kernels; takes
            many minutes
  fmt       format the sources
  bench [--real]
            measure small tests, or real programs, against QEMU TCG and the bare host; ./build.sh bench [--real] --help
TEXT
  exit 2
}

on_kvm=tests/Strata.X86.Kvm.ArchitectureTests

run_tests() {
  local status=0 project
  results=$(mktemp -d)
  trap 'rm -rf "$results"' EXIT # a global: the trap runs after the function is gone
  dotnet build Strata.slnx -c Release -v quiet
  for project in tests/*/; do
    project=${project%/}
    if [ "$project" = "$on_kvm" ]; then
      echo "$project: not run here, as it judges the host's KVM; ./build.sh kvm runs it"
      continue
    fi
    compgen -G "$project/**/*.cs" >/dev/null || compgen -G "$project/*.cs" >/dev/null || continue
    dotnet test "$project" -c Release --no-build --logger "trx;LogFileName=$(basename "$project").trx" --results-directory "$results" || status=1
    [ -f "$results/$(basename "$project").trx" ] || { echo "$project: left no results" >&2; status=1; }
  done
  count_results "$results"
  return $status
}

# Sums up the results of every project. The runner's own counter of skipped tests, notExecuted, stays 0: the results themselves are counted.
count_results() {
  local passed=0 failed=0 skipped=0 file line
  for file in "$1"/*.trx; do
    [ -f "$file" ] || continue
    line=$(grep -o -m 1 '<Counters [^>]*>' "$file" || true)
    passed=$((passed + $(sed -n 's/.* passed="\([0-9]*\)".*/\1/p' <<<"${line:- passed=\"0\"}")))
    failed=$((failed + $(sed -n 's/.* failed="\([0-9]*\)".*/\1/p' <<<"${line:- failed=\"0\"}")))
    skipped=$((skipped + $( (grep -o '<UnitTestResult [^>]*outcome="NotExecuted"' "$file" || true) | wc -l)))
  done
  echo "$passed passed, $failed failed, $skipped skipped"
}

# A folder of its own until it is whole: ./strata never starts half a command.
publish_to_artifacts() {
  rm -rf artifacts/strata.new
  dotnet publish src/apps/Strata.Cli -c Release -r linux-x64 -o artifacts/strata.new -v quiet "$@" || return 1
  rm -rf artifacts/strata
  mv artifacts/strata.new artifacts/strata
}

publish_native() {
  local linker
  linker=$(command -v gcc || command -v clang) || { echo "build.sh: native code needs gcc or clang as the linker; install gcc" >&2; return 1; }
  local options=(-p:StrataNative=true -p:CppCompilerAndLinker="$(basename "$linker")")
  echo "build.sh: compiling the command to native code, which takes a minute or two" >&2
  command -v objcopy >/dev/null || options+=(-p:StripSymbols=false)
  publish_to_artifacts "${options[@]}"
}

publish_precompiled() {
  publish_to_artifacts --self-contained false -p:PublishReadyToRun=true
}

publish() {
  case "${1:-}" in
    native) publish_native ;;
    ready-to-run) publish_precompiled ;;
    '')
      publish_native || {
        echo "build.sh: no native command; precompiling one for the .NET runtime, which starts more slowly" >&2
        publish_precompiled
      } ;;
    *) usage ;;
  esac
}

# The tests that ImageFact marks, by their classes.
end_to_end() {
  STRATA_E2E=1 exec dotnet test tests/Strata.EndToEnd.Tests -c Release --filter Length=Long --logger "console;verbosity=normal"
}

soak() {
  local minutes=${1:-10}
  [[ $minutes =~ ^[0-9]+$ ]] || usage
  dotnet build tests/Strata.Conformance.Tests -c Release -v quiet
  STRATA_SOAK_SECONDS=$((minutes * 60)) dotnet test tests/Strata.Conformance.Tests -c Release --no-build \
    --filter FullyQualifiedName~InstructionStream --logger "console;verbosity=detailed"
}

# Devices by themselves, a board with all of them, and viewers of its screen. A failed test has its seed in its name.
fuzz() {
  local seeds=${1:-200} project status=0
  [[ $seeds =~ ^[0-9]+$ ]] || usage
  for project in Devices Machines Display; do
    STRATA_FUZZ_SEEDS=$seeds dotnet test "tests/Strata.$project.Tests" -c Release \
      --filter "FullyQualifiedName~Hostile|FullyQualifiedName~Fuzz" || status=1
  done
  return $status
}

# The last lines count the tests; a failed one names the format and the round or image.
long() {
  command -v qemu-img >/dev/null || { echo "build.sh: qemu-img is not installed; install qemu-utils" >&2; exit 1; }
  STRATA_LONG_TESTS=1 dotnet test tests/Strata.Disks.Tests -c Release --logger "console;verbosity=normal" "$@"
}

snapshots() {
  local rounds=${1:-300}
  [[ $rounds =~ ^[0-9]+$ ]] || usage
  STRATA_LONG_TESTS=1 dotnet test tests/Strata.Snapshots.Tests -c Release --logger "console;verbosity=normal"
  STRATA_SNAPSHOT_ROUNDS=$rounds STRATA_SNAPSHOT_MUTATIONS=10000 dotnet test tests/Strata.EndToEnd.Tests -c Release \
    --filter FullyQualifiedName~Snapshot --logger "console;verbosity=normal"
}

case "${1:-}" in
  restore) dotnet restore Strata.slnx --locked-mode ;;
  build) dotnet build Strata.slnx -c Release ;;
  publish) shift; publish "$@" ;;
  test) run_tests ;;
  count) [ -d "${2:-}" ] || usage; count_results "$2" ;;
  soak) shift; soak "$@" ;;
  fuzz) shift; fuzz "$@" ;;
  long) shift; long "$@" ;;
  snapshots) shift; snapshots "$@" ;;
  kvm) exec dotnet test "$on_kvm" -c Release ;;
  e2e) end_to_end ;;
  fmt) dotnet format Strata.slnx ;;
  bench) shift; exec benchmarks/run.sh "$@" ;;
  *) usage ;;
esac
