using Iced.Intel;
using Strata.X86.Interpreter.Instructions;
using static Strata.X86.Interpreter.Vex.VexFused;

namespace Strata.X86.Interpreter.Vex;

/// <content>Floating point.</content>
internal static unsafe partial class VexTable
{
    private static void AddFloats(Dictionary<Mnemonic, (nint Kernel, VexTraits Traits)> lines)
    {
        lines.Add(Mnemonic.Vaddps, &VexFloats.Packed32<FloatAdd>);
        lines.Add(Mnemonic.Vaddpd, &VexFloats.Packed64<FloatAdd>);
        lines.Add(Mnemonic.Vaddss, &VexFloats.Scalar32<FloatAdd>);
        lines.Add(Mnemonic.Vaddsd, &VexFloats.Scalar64<FloatAdd>);
        lines.Add(Mnemonic.Vsubps, &VexFloats.Packed32<FloatSubtract>);
        lines.Add(Mnemonic.Vsubpd, &VexFloats.Packed64<FloatSubtract>);
        lines.Add(Mnemonic.Vsubss, &VexFloats.Scalar32<FloatSubtract>);
        lines.Add(Mnemonic.Vsubsd, &VexFloats.Scalar64<FloatSubtract>);
        lines.Add(Mnemonic.Vmulps, &VexFloats.Packed32<FloatMultiply>);
        lines.Add(Mnemonic.Vmulpd, &VexFloats.Packed64<FloatMultiply>);
        lines.Add(Mnemonic.Vmulss, &VexFloats.Scalar32<FloatMultiply>);
        lines.Add(Mnemonic.Vmulsd, &VexFloats.Scalar64<FloatMultiply>);
        lines.Add(Mnemonic.Vdivps, &VexFloats.Packed32<FloatDivide>);
        lines.Add(Mnemonic.Vdivpd, &VexFloats.Packed64<FloatDivide>);
        lines.Add(Mnemonic.Vdivss, &VexFloats.Scalar32<FloatDivide>);
        lines.Add(Mnemonic.Vdivsd, &VexFloats.Scalar64<FloatDivide>);
        lines.Add(Mnemonic.Vminps, &VexFloats.Packed32<FloatMinimum>);
        lines.Add(Mnemonic.Vminpd, &VexFloats.Packed64<FloatMinimum>);
        lines.Add(Mnemonic.Vminss, &VexFloats.Scalar32<FloatMinimum>);
        lines.Add(Mnemonic.Vminsd, &VexFloats.Scalar64<FloatMinimum>);
        lines.Add(Mnemonic.Vmaxps, &VexFloats.Packed32<FloatMaximum>);
        lines.Add(Mnemonic.Vmaxpd, &VexFloats.Packed64<FloatMaximum>);
        lines.Add(Mnemonic.Vmaxss, &VexFloats.Scalar32<FloatMaximum>);
        lines.Add(Mnemonic.Vmaxsd, &VexFloats.Scalar64<FloatMaximum>);
        lines.Add(Mnemonic.Vsqrtps, &VexFloats.Roots32);
        lines.Add(Mnemonic.Vsqrtpd, &VexFloats.Roots64);
        lines.Add(Mnemonic.Vsqrtss, &VexFloats.Scalar32<FloatSquareRoot>);
        lines.Add(Mnemonic.Vsqrtsd, &VexFloats.Scalar64<FloatSquareRoot>);
        lines.Add(Mnemonic.Vrcpps, &VexFloats.Reciprocals);
        lines.Add(Mnemonic.Vrsqrtps, &VexFloats.ReciprocalRoots);
        lines.Add(Mnemonic.Vrcpss, &VexFloats.Reciprocal);
        lines.Add(Mnemonic.Vrsqrtss, &VexFloats.ReciprocalRoot);
        lines.Add(Mnemonic.Vroundps, &VexFloats.Rounds32);
        lines.Add(Mnemonic.Vroundpd, &VexFloats.Rounds64);
        lines.Add(Mnemonic.Vroundss, &VexFloats.Round32);
        lines.Add(Mnemonic.Vroundsd, &VexFloats.Round64);
        lines.Add(Mnemonic.Vaddsubps, &VexFloats.AddSubtract32);
        lines.Add(Mnemonic.Vaddsubpd, &VexFloats.AddSubtract64);
        lines.Add(Mnemonic.Vhaddps, &VexFloats.Horizontal32<FloatAdd>);
        lines.Add(Mnemonic.Vhaddpd, &VexFloats.Horizontal64<FloatAdd>);
        lines.Add(Mnemonic.Vhsubps, &VexFloats.Horizontal32<FloatSubtract>);
        lines.Add(Mnemonic.Vhsubpd, &VexFloats.Horizontal64<FloatSubtract>);
        lines.Add(Mnemonic.Vdpps, &VexFloats.DotProduct32);
        lines.Add(Mnemonic.Vdppd, &VexFloats.DotProduct64);
        lines.Add(Mnemonic.Vcmpps, &VexComparisons.Packed32);
        lines.Add(Mnemonic.Vcmppd, &VexComparisons.Packed64);
        lines.Add(Mnemonic.Vcmpss, &VexComparisons.Scalar32);
        lines.Add(Mnemonic.Vcmpsd, &VexComparisons.Scalar64);
        lines.Add(Mnemonic.Vucomiss, &VexComparisons.Quiet32, VexTraits.Compares);
        lines.Add(Mnemonic.Vucomisd, &VexComparisons.Quiet64, VexTraits.Compares);
        lines.Add(Mnemonic.Vcomiss, &VexComparisons.Signaling32, VexTraits.Compares);
        lines.Add(Mnemonic.Vcomisd, &VexComparisons.Signaling64, VexTraits.Compares);
    }

    private static void AddConversions(Dictionary<Mnemonic, (nint Kernel, VexTraits Traits)> lines)
    {
        lines.Add(Mnemonic.Vcvtsi2ss, &VexConversions.IntegerToSingle);
        lines.Add(Mnemonic.Vcvtsi2sd, &VexConversions.IntegerToDouble);
        lines.Add(Mnemonic.Vcvtss2si, &VexConversions.SingleToInteger);
        lines.Add(Mnemonic.Vcvttss2si, &VexConversions.SingleToIntegerCut);
        lines.Add(Mnemonic.Vcvtsd2si, &VexConversions.DoubleToInteger);
        lines.Add(Mnemonic.Vcvttsd2si, &VexConversions.DoubleToIntegerCut);
        lines.Add(Mnemonic.Vcvtss2sd, &VexConversions.SingleToDouble);
        lines.Add(Mnemonic.Vcvtsd2ss, &VexConversions.DoubleToSingle);
        lines.Add(Mnemonic.Vcvtps2pd, &VexConversions.SinglesToDoubles);
        lines.Add(Mnemonic.Vcvtpd2ps, &VexConversions.DoublesToSingles);
        lines.Add(Mnemonic.Vcvtdq2ps, &VexConversions.IntegersToSingles);
        lines.Add(Mnemonic.Vcvtdq2pd, &VexConversions.IntegersToDoubles);
        lines.Add(Mnemonic.Vcvtps2dq, &VexConversions.SinglesToIntegers);
        lines.Add(Mnemonic.Vcvttps2dq, &VexConversions.SinglesToIntegersCut);
        lines.Add(Mnemonic.Vcvtpd2dq, &VexConversions.DoublesToIntegers);
        lines.Add(Mnemonic.Vcvttpd2dq, &VexConversions.DoublesToIntegersCut);
        lines.Add(Mnemonic.Vcvtph2ps, &VexConversions.HalvesToSingles);
        lines.Add(Mnemonic.Vcvtps2ph, &VexConversions.SinglesToHalves);
    }

    private static void AddFused(Dictionary<Mnemonic, (nint Kernel, VexTraits Traits)> lines)
    {
        lines.Add(Mnemonic.Vfmadd132ps, &VexFused.Packed32<Order132, Add>);
        lines.Add(Mnemonic.Vfmadd213ps, &VexFused.Packed32<Order213, Add>);
        lines.Add(Mnemonic.Vfmadd231ps, &VexFused.Packed32<Order231, Add>);
        lines.Add(Mnemonic.Vfmadd132pd, &VexFused.Packed64<Order132, Add>);
        lines.Add(Mnemonic.Vfmadd213pd, &VexFused.Packed64<Order213, Add>);
        lines.Add(Mnemonic.Vfmadd231pd, &VexFused.Packed64<Order231, Add>);
        lines.Add(Mnemonic.Vfmadd132ss, &VexFused.Scalar32<Order132, Add>);
        lines.Add(Mnemonic.Vfmadd213ss, &VexFused.Scalar32<Order213, Add>);
        lines.Add(Mnemonic.Vfmadd231ss, &VexFused.Scalar32<Order231, Add>);
        lines.Add(Mnemonic.Vfmadd132sd, &VexFused.Scalar64<Order132, Add>);
        lines.Add(Mnemonic.Vfmadd213sd, &VexFused.Scalar64<Order213, Add>);
        lines.Add(Mnemonic.Vfmadd231sd, &VexFused.Scalar64<Order231, Add>);
        lines.Add(Mnemonic.Vfmsub132ps, &VexFused.Packed32<Order132, Subtract>);
        lines.Add(Mnemonic.Vfmsub213ps, &VexFused.Packed32<Order213, Subtract>);
        lines.Add(Mnemonic.Vfmsub231ps, &VexFused.Packed32<Order231, Subtract>);
        lines.Add(Mnemonic.Vfmsub132pd, &VexFused.Packed64<Order132, Subtract>);
        lines.Add(Mnemonic.Vfmsub213pd, &VexFused.Packed64<Order213, Subtract>);
        lines.Add(Mnemonic.Vfmsub231pd, &VexFused.Packed64<Order231, Subtract>);
        lines.Add(Mnemonic.Vfmsub132ss, &VexFused.Scalar32<Order132, Subtract>);
        lines.Add(Mnemonic.Vfmsub213ss, &VexFused.Scalar32<Order213, Subtract>);
        lines.Add(Mnemonic.Vfmsub231ss, &VexFused.Scalar32<Order231, Subtract>);
        lines.Add(Mnemonic.Vfmsub132sd, &VexFused.Scalar64<Order132, Subtract>);
        lines.Add(Mnemonic.Vfmsub213sd, &VexFused.Scalar64<Order213, Subtract>);
        lines.Add(Mnemonic.Vfmsub231sd, &VexFused.Scalar64<Order231, Subtract>);
        lines.Add(Mnemonic.Vfnmadd132ps, &VexFused.Packed32<Order132, NegativeAdd>);
        lines.Add(Mnemonic.Vfnmadd213ps, &VexFused.Packed32<Order213, NegativeAdd>);
        lines.Add(Mnemonic.Vfnmadd231ps, &VexFused.Packed32<Order231, NegativeAdd>);
        lines.Add(Mnemonic.Vfnmadd132pd, &VexFused.Packed64<Order132, NegativeAdd>);
        lines.Add(Mnemonic.Vfnmadd213pd, &VexFused.Packed64<Order213, NegativeAdd>);
        lines.Add(Mnemonic.Vfnmadd231pd, &VexFused.Packed64<Order231, NegativeAdd>);
        lines.Add(Mnemonic.Vfnmadd132ss, &VexFused.Scalar32<Order132, NegativeAdd>);
        lines.Add(Mnemonic.Vfnmadd213ss, &VexFused.Scalar32<Order213, NegativeAdd>);
        lines.Add(Mnemonic.Vfnmadd231ss, &VexFused.Scalar32<Order231, NegativeAdd>);
        lines.Add(Mnemonic.Vfnmadd132sd, &VexFused.Scalar64<Order132, NegativeAdd>);
        lines.Add(Mnemonic.Vfnmadd213sd, &VexFused.Scalar64<Order213, NegativeAdd>);
        lines.Add(Mnemonic.Vfnmadd231sd, &VexFused.Scalar64<Order231, NegativeAdd>);
        lines.Add(Mnemonic.Vfnmsub132ps, &VexFused.Packed32<Order132, NegativeSubtract>);
        lines.Add(Mnemonic.Vfnmsub213ps, &VexFused.Packed32<Order213, NegativeSubtract>);
        lines.Add(Mnemonic.Vfnmsub231ps, &VexFused.Packed32<Order231, NegativeSubtract>);
        lines.Add(Mnemonic.Vfnmsub132pd, &VexFused.Packed64<Order132, NegativeSubtract>);
        lines.Add(Mnemonic.Vfnmsub213pd, &VexFused.Packed64<Order213, NegativeSubtract>);
        lines.Add(Mnemonic.Vfnmsub231pd, &VexFused.Packed64<Order231, NegativeSubtract>);
        lines.Add(Mnemonic.Vfnmsub132ss, &VexFused.Scalar32<Order132, NegativeSubtract>);
        lines.Add(Mnemonic.Vfnmsub213ss, &VexFused.Scalar32<Order213, NegativeSubtract>);
        lines.Add(Mnemonic.Vfnmsub231ss, &VexFused.Scalar32<Order231, NegativeSubtract>);
        lines.Add(Mnemonic.Vfnmsub132sd, &VexFused.Scalar64<Order132, NegativeSubtract>);
        lines.Add(Mnemonic.Vfnmsub213sd, &VexFused.Scalar64<Order213, NegativeSubtract>);
        lines.Add(Mnemonic.Vfnmsub231sd, &VexFused.Scalar64<Order231, NegativeSubtract>);
        lines.Add(Mnemonic.Vfmaddsub132ps, &VexFused.Packed32<Order132, AddSubtract>);
        lines.Add(Mnemonic.Vfmaddsub213ps, &VexFused.Packed32<Order213, AddSubtract>);
        lines.Add(Mnemonic.Vfmaddsub231ps, &VexFused.Packed32<Order231, AddSubtract>);
        lines.Add(Mnemonic.Vfmaddsub132pd, &VexFused.Packed64<Order132, AddSubtract>);
        lines.Add(Mnemonic.Vfmaddsub213pd, &VexFused.Packed64<Order213, AddSubtract>);
        lines.Add(Mnemonic.Vfmaddsub231pd, &VexFused.Packed64<Order231, AddSubtract>);
        lines.Add(Mnemonic.Vfmsubadd132ps, &VexFused.Packed32<Order132, SubtractAdd>);
        lines.Add(Mnemonic.Vfmsubadd213ps, &VexFused.Packed32<Order213, SubtractAdd>);
        lines.Add(Mnemonic.Vfmsubadd231ps, &VexFused.Packed32<Order231, SubtractAdd>);
        lines.Add(Mnemonic.Vfmsubadd132pd, &VexFused.Packed64<Order132, SubtractAdd>);
        lines.Add(Mnemonic.Vfmsubadd213pd, &VexFused.Packed64<Order213, SubtractAdd>);
        lines.Add(Mnemonic.Vfmsubadd231pd, &VexFused.Packed64<Order231, SubtractAdd>);
    }
}
