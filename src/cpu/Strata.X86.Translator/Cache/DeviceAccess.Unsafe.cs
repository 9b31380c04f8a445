using Iced.Intel;
using Strata.Core.Bus;
using Strata.X86.Registers;

namespace Strata.X86.Translator.Cache;

/// <summary>What an instruction that has led to a device does, as far as it can be done without the interpreter.</summary>
internal enum DeviceForm : byte
{
    /// <summary>Something else.</summary>
    None,

    /// <summary>MOV, MOVZX and MOVSX from memory.</summary>
    Load,

    /// <summary>MOV to memory.</summary>
    Store,

    /// <summary>LODS and STOS of one element.</summary>
    LoadString,
    StoreString,

    /// <summary>IN and OUT.</summary>
    In,
    Out,
}

/// <summary>
/// An instruction that has led to a device, decoded once, and where the device was: drivers use the same few instructions for everything.
/// It belongs to a site, which has its instruction until the whole cache is dropped.
/// </summary>
internal unsafe struct DeviceAccess
{
    /// <summary>Instructions that are remembered.</summary>
    public const int Count = 512;

    private Site* _site;
    private long _resets;
    private MemoryMap? _map;
    private MapRange _range;

    public DeviceForm Form { get; private set; }

    /// <summary>Bytes of the access, and of the register that a load changes.</summary>
    public byte Size { get; private set; }

    public byte RegisterSize { get; private set; }

    public byte Length { get; private set; }

    /// <summary>A load extends the sign.</summary>
    public bool IsSigned { get; private set; }

    /// <summary>Bytes from RAX to the register; none if a store has <see cref="Immediate"/>.</summary>
    public short Register { get; private set; }

    /// <summary>What is stored; of IN and OUT, the port, if it is not in DX.</summary>
    public ulong? Immediate { get; private set; }

    /// <summary>Bits of RSI and RDI that strings use.</summary>
    public ulong AddressMask { get; private set; }

    public readonly bool IsMemory => Form is >= DeviceForm.Load and <= DeviceForm.StoreString;

    public readonly bool IsPort => Form >= DeviceForm.In;

    public readonly bool IsWrite => Form is DeviceForm.Store or DeviceForm.StoreString or DeviceForm.Out;

    public readonly IMmioDevice Device => _range.Device!;

    public readonly bool IsOf(Site* site, long resets) => _site == site && _resets == resets;

    /// <summary>Whether an access is the device's that was found the last time, and that still shows.</summary>
    public readonly bool Covers(MemoryMap map, ulong gpa) =>
        ReferenceEquals(_map, map) && gpa - _range.Start < _range.Length;

    /// <summary>Where the device sees an address.</summary>
    public readonly ulong OffsetOf(ulong gpa) => _range.DeviceOffset + (gpa - _range.Start);

    /// <summary>Takes note of what shows at an address; of nothing, if that is no device.</summary>
    public void NoteDevice(MemoryMap map, ulong gpa) =>
        _map = map.TryFind(gpa, out _range) && _range.Kind == RegionKind.Device ? map : null;

    /// <summary>Takes note of a site's instruction.</summary>
    /// <param name="code">Its bytes, and perhaps those behind it.</param>
    /// <param name="bits">Of the mode: 16, 32 or 64.</param>
    public void Decode(Site* site, long resets, ReadOnlySpan<byte> code, int bits)
    {
        this = default;
        _site = site;
        _resets = resets;
        Decoder decoder = Decoder.Create(bits, code.ToArray());
        decoder.Decode(out Instruction instruction);
        if (instruction.IsInvalid || instruction.HasLockPrefix)
        {
            return;
        }

        Length = (byte)instruction.Length;
        switch (instruction.Mnemonic)
        {
            case Mnemonic.Mov or Mnemonic.Movzx or Mnemonic.Movsx or Mnemonic.Movsxd:
                DecodeMove(instruction);
                break;
            case Mnemonic.Stosb or Mnemonic.Stosw or Mnemonic.Stosd or Mnemonic.Stosq:
                DecodeString(instruction, DeviceForm.StoreString, instruction.Op0Kind);
                break;
            case Mnemonic.Lodsb or Mnemonic.Lodsw or Mnemonic.Lodsd or Mnemonic.Lodsq:
                DecodeString(instruction, DeviceForm.LoadString, instruction.Op1Kind);
                break;
            case Mnemonic.In:
                DecodePort(instruction, DeviceForm.In, instruction.Op0Register, 1);
                break;
            case Mnemonic.Out:
                DecodePort(instruction, DeviceForm.Out, instruction.Op1Register, 0);
                break;
            default:
                break;
        }
    }

    private void DecodeMove(in Instruction instruction)
    {
        int size = instruction.MemorySize.GetSize();
        if (instruction.Op1Kind == OpKind.Memory && instruction.Op0Kind == OpKind.Register && instruction.Op0Register.IsGPR())
        {
            Form = DeviceForm.Load;
            UseRegister(instruction.Op0Register);
            IsSigned = instruction.Mnemonic is Mnemonic.Movsx or Mnemonic.Movsxd;
        }
        else if (instruction.Op0Kind == OpKind.Memory && instruction.Op1Kind != OpKind.Register)
        {
            Form = DeviceForm.Store;
            Immediate = instruction.GetImmediate(1);
        }
        else if (instruction.Op0Kind == OpKind.Memory && instruction.Op1Register.IsGPR())
        {
            Form = DeviceForm.Store;
            UseRegister(instruction.Op1Register);
        }

        Size = (byte)size;
    }

    private void DecodeString(in Instruction instruction, DeviceForm form, OpKind address)
    {
        if (instruction.HasRepPrefix || instruction.HasRepnePrefix)
        {
            return;
        }

        Form = form;
        Size = RegisterSize = (byte)instruction.MemorySize.GetSize();
        AddressMask = address switch
        {
            OpKind.MemorySegSI or OpKind.MemoryESDI => ushort.MaxValue,
            OpKind.MemorySegESI or OpKind.MemoryESEDI => uint.MaxValue,
            _ => ulong.MaxValue,
        };
    }

    private void DecodePort(in Instruction instruction, DeviceForm form, Register register, int port)
    {
        Form = form;
        UseRegister(register);
        Size = RegisterSize;
        Immediate = instruction.GetOpKind(port) == OpKind.Register ? null : instruction.GetImmediate(port);
    }

    private void UseRegister(Register register)
    {
        bool isHigh = register is Iced.Intel.Register.AH or Iced.Intel.Register.CH or Iced.Intel.Register.DH or Iced.Intel.Register.BH;
        Register = (short)(((register.GetFullRegister() - Iced.Intel.Register.RAX) * sizeof(ulong)) + (isHigh ? 1 : 0));
        RegisterSize = (byte)register.GetSize();
    }
}
