using Strata.Core.Bus;
using Strata.Devices.Serial;
using Strata.Machines.Boards;
using Strata.Machines.Tests.Boot;

namespace Strata.Machines.Tests.Boards;

public sealed class TestDevicesTests : ISerialBackend
{
    private const ushort ScratchPort = 0xE0;
    private const ulong DeviceMemory = 0xFF00_0000;

    [Fact]
    public void Constructor_TestDevicesAskedFor_ScratchRegisterAndMemoryKeepWhatIsWritten()
    {
        using PcBoard board = Create(hasTestDevices: true);

        Assert.Equal((0x1234_5678u, 0x55ul), WriteAndRead(board));
    }

    [Fact]
    public void Constructor_TestDevicesNotAskedFor_NothingIsThere()
    {
        using PcBoard board = Create(hasTestDevices: false);

        Assert.Equal((uint.MaxValue, 0xFFul), WriteAndRead(board));
    }

    void ISerialBackend.Write(ReadOnlySpan<byte> bytes)
    {
        // The guest of these tests never runs.
    }

    private PcBoard Create(bool hasTestDevices) => new(new PcBoardOptions
    {
        MemorySize = 16 << 20,
        Serial = this,
        StartTime = DateTime.UnixEpoch,
        Kernel = BzImages.Create(),
        HasTestDevices = hasTestDevices,
    });

    private static (uint Port, ulong Memory) WriteAndRead(PcBoard board)
    {
        board.Ports.Write(ScratchPort, AccessWidth.Dword, 0x1234_5678);
        board.Memory.Write(DeviceMemory, AccessWidth.Byte, 0x55);
        return (board.Ports.Read(ScratchPort, AccessWidth.Dword), board.Memory.Read(DeviceMemory, AccessWidth.Byte));
    }
}
