using System.Reflection;
using System.Runtime.Intrinsics.X86;
using System.Security.Cryptography;
using System.Text;
using Iced.Intel;
using Strata.Core.Memory;
using Strata.X86.Execution;

namespace Strata.X86.Translator.Keeping;

/// <summary>
/// What translated code depends on beside the guest's bytes: the builds of everything that takes part in translating, how the translator
/// works, and what the host's processor can do.
/// </summary>
internal static class CodeIdentity
{
    /// <summary>32 bytes. Equal for two translators if each can execute the other's code.</summary>
    public static byte[] Of(TranslatorOptions options)
    {
        StringBuilder text = new("translator");
        Type[] parts = [typeof(CodeIdentity), typeof(X86Cpu), typeof(GuestMemory), typeof(Instruction)];
        foreach (Assembly assembly in parts.Select(part => part.Assembly))
        {
            text.Append(' ').Append(assembly.ManifestModule.ModuleVersionId);
        }

        text.Append(' ').Append(options.ExactFlags)
            .Append(options.CountInstructions)
            .Append(options.IsOnlyProcessor)
            .Append(options.AlwaysRelative);
        AppendLeaf(text, 0, 0, (~0, ~0, ~0, ~0));
        AppendLeaf(text, 1, 0, (~0, 0, ~0, ~0)); // EBX has the number of the processor that is asked
        AppendLeaf(text, 7, 0, (~0, ~0, ~0, ~0));
        AppendLeaf(text, 7, 1, (~0, ~0, ~0, ~0));
        AppendLeaf(text, unchecked((int)0x8000_0001), 0, (~0, ~0, ~0, ~0));
        return SHA256.HashData(Encoding.ASCII.GetBytes(text.ToString()));
    }

    private static void AppendLeaf(StringBuilder text, int leaf, int subleaf, (int Eax, int Ebx, int Ecx, int Edx) mask)
    {
        (int eax, int ebx, int ecx, int edx) = X86Base.CpuId(leaf, subleaf);
        text.Append(
            System.Globalization.CultureInfo.InvariantCulture,
            $" {eax & mask.Eax:x}:{ebx & mask.Ebx:x}:{ecx & mask.Ecx:x}:{edx & mask.Edx:x}");
    }
}
