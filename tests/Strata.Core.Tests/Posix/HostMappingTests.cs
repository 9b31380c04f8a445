using System.Globalization;
using System.Runtime.InteropServices;
using Strata.Core.Posix;

namespace Strata.Core.Tests.Posix;

public sealed class HostMappingTests
{
    private const ulong Size = 8 << 20;
    private const ulong SmallPages = 2 << 20;

    [Fact]
    public void ReserveSparse_HasHugePagesFromItsOffsetOn()
    {
        nint plain = HostMapping.Reserve(Size);
        nint sparse = HostMapping.ReserveSparse(Size, SmallPages);
        try
        {
            Marshal.WriteByte(sparse, 1);
            Marshal.WriteByte(sparse + (nint)Size - 1, 2);

            Assert.False(WantsHugePages(sparse));
            Assert.False(WantsHugePages(sparse + (nint)SmallPages - 1));
            Assert.Equal(WantsHugePages(plain), WantsHugePages(sparse + (nint)SmallPages));
            Assert.Equal(WantsHugePages(plain), WantsHugePages(sparse + (nint)Size - 1));
        }
        finally
        {
            HostMapping.Release(plain, Size);
            HostMapping.Release(sparse, Size);
        }
    }

    /// <summary>Whether the host has taken the advice for an address (proc(5), "smaps", VmFlags).</summary>
    private static bool WantsHugePages(nint address)
    {
        bool isHere = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            string first = line.Split(' ')[0];
            if (first.Split('-') is [string start, string end])
            {
                isHere = nint.Parse(start, NumberStyles.HexNumber, CultureInfo.InvariantCulture) <= address
                    && address < nint.Parse(end, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            }
            else if (isHere && first == "VmFlags:")
            {
                return line.Split(' ').Contains("hg");
            }
        }

        throw new InvalidOperationException("Nothing is mapped there.");
    }
}
