using Strata.Core.Bus;

namespace Strata.Core.Tests.Bus;

public sealed class PortSpaceTests
{
    private readonly PortSpace _ports = new();

    [Theory]
    [InlineData(AccessWidth.Byte, 0xFFU)]
    [InlineData(AccessWidth.Word, 0xFFFFU)]
    [InlineData(AccessWidth.Dword, uint.MaxValue)]
    public void Read_Unclaimed_ReadsAllOnes(AccessWidth width, uint expected)
    {
        _ports.Write(0xFFFF, width, 0);

        Assert.Equal(expected, _ports.Read(0xFFFF, width));
        Assert.Equal(expected, _ports.Read(0, width));
    }

    [Fact]
    public void Access_Claimed_SeesOffsetAndMaskedValue()
    {
        RecordingDevice device = new(0x1122_3344);
        _ports.Map(0x3F8, 8, device);

        uint word = _ports.Read(0x3FA, AccessWidth.Word);
        _ports.Write(0x3FF, AccessWidth.Byte, 0xABCD);

        Assert.Equal(0x3344U, word);
        Assert.Equal((2UL, AccessWidth.Word), Assert.Single(device.Reads));
        Assert.Equal((7UL, AccessWidth.Byte, 0xCDUL), Assert.Single(device.Writes));
        Assert.Equal(0xFFU, _ports.Read(0x3F7, AccessWidth.Byte));
        Assert.Equal(0xFFU, _ports.Read(0x400, AccessWidth.Byte));
    }

    [Fact]
    public void Map_Overlapping_ThrowsAndClaimsNothing()
    {
        _ports.Map(0x62, 2, new RecordingDevice(1));

        Assert.Throws<InvalidOperationException>(() => _ports.Map(0x60, 4, new RecordingDevice(2)));

        Assert.Equal(0xFFU, _ports.Read(0x60, AccessWidth.Byte));
        Assert.Equal(1U, _ports.Read(0x62, AccessWidth.Byte));
    }

    [Fact]
    public void Map_LastPort_IsAllowedAndNothingBeyond()
    {
        _ports.Map(0xFFFF, 1, new RecordingDevice(0x42));

        Assert.Equal(0x42U, _ports.Read(0xFFFF, AccessWidth.Byte));
        Assert.Throws<ArgumentOutOfRangeException>(() => _ports.Map(0xFFFE, 3, new RecordingDevice()));
    }

    [Fact]
    public void TryMap_TakenOrBeyondTheEnd_ClaimsNothing()
    {
        _ports.Map(0x62, 1, new RecordingDevice(1));

        Assert.False(_ports.TryMap(0x60, 4, new RecordingDevice(2)));
        Assert.False(_ports.TryMap(0xFFFE, 4, new RecordingDevice(2)));
        Assert.False(_ports.TryMap(uint.MaxValue, 4, new RecordingDevice(2)));

        Assert.Equal((0xFFU, 0xFFU), (_ports.Read(0x60, AccessWidth.Byte), _ports.Read(0xFFFE, AccessWidth.Byte)));
        Assert.True(_ports.TryMap(0xFFFC, 4, new RecordingDevice(2)));
    }

    [Fact]
    public void Unmap_OfOneDevice_LeavesOthersAlone()
    {
        RecordingDevice leaves = new(1);
        _ports.Map(0x60, 1, leaves);
        _ports.Map(0x61, 1, new RecordingDevice(2));

        _ports.Unmap(0x60, 2, leaves);

        Assert.Equal((0xFFU, 2U), (_ports.Read(0x60, AccessWidth.Byte), _ports.Read(0x61, AccessWidth.Byte)));
        Assert.True(_ports.TryMap(0x60, 1, new RecordingDevice(3)));
    }
}
