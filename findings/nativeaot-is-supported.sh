#!/usr/bin/env bash
# What:    Avx.IsSupported and Bmi1.IsSupported in a .NET program that is compiled ahead of time with default settings.
# Version: .NET SDK 10.0.4xx with the ILCompiler package that belongs to it; needs a host with AVX and BMI1, and gcc as the linker.
# Guess:   IsSupported asks the processor that the program runs on, as it does under the JIT; the compiler's default only lowers what it
#          may use without asking.
# Seen:    the same program on the same host says True when it is compiled while it runs, and False ahead of time, though CPUID, read by
#          the program itself, has the bits, and though Popcnt.IsSupported is True in both.
# Matters: a program that emits machine code, or describes its host to others, and asks IsSupported, silently takes every modern host for
#          one of 2008. It has to read CPUID (X86Base.CpuId), and ask the system whether it saves the registers.
set -euo pipefail
source "$(dirname "$(readlink -f "$0")")/packages.bash"
grep -qw avx /proc/cpuinfo && grep -qw bmi1 /proc/cpuinfo || { echo "this host has no AVX or BMI1: nothing to see" >&2; exit 2; }
command -v gcc >/dev/null || { echo "gcc is missing" >&2; exit 2; }
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

cat >ask.csproj <<'X'
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework><PublishAot>true</PublishAot>
    <CppCompilerAndLinker>gcc</CppCompilerAndLinker><InvariantGlobalization>true</InvariantGlobalization>
  </PropertyGroup>
</Project>
X
cat >ask.cs <<'X'
using System.Runtime.Intrinsics.X86;

bool avx = (X86Base.CpuId(1, 0).Ecx & (1 << 28)) != 0, bmi = (X86Base.CpuId(7, 0).Ebx & (1 << 3)) != 0;
System.Console.WriteLine($"CPUID {avx} {bmi}; IsSupported {Avx.IsSupported} {Bmi1.IsSupported}; Popcnt {Popcnt.IsSupported}");
X
echo "version: .NET SDK $(dotnet --version)"
dotnet publish ask.csproj -r linux-x64 -c Release -o ahead -v quiet >log 2>&1 || { tail -5 log >&2; exit 2; }
jit=$(dotnet run --project ask.csproj -c Release 2>/dev/null | tail -1)
ahead=$(./ahead/ask)
echo "seen: while it runs: $jit"
echo "seen: ahead of time: $ahead"
[ "$jit" = "CPUID True True; IsSupported True True; Popcnt True" ] || gone "True under the JIT"
[ "$ahead" = "CPUID True True; IsSupported False False; Popcnt True" ] || gone "False ahead of time"
