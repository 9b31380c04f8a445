using System.Buffers.Binary;
using System.Collections.Concurrent;
using Iced.Intel;
using Strata.Devices.Serial;
using Strata.EndToEnd.Tests.Harness;
using Strata.Machines.Boards;
using Strata.Machines.Engines;
using static Iced.Intel.AssemblerRegisters;

namespace Strata.EndToEnd.Tests;

/// <summary>What a Multiboot program finds when it goes to real mode and uses the interrupts of a BIOS.</summary>
public sealed class BiosServiceTests
{
    private const uint RealModeCode = 0x8000;
    private const ushort SerialPort = 0x3F8;

    [Theory]
    [InlineData("interpreter")]
    [InlineData("translator")]
    public async Task Interrupts_InRealMode_AnswerAndTick(string engine)
    {
        SerialBytes serial = new();
        using PcBoard board = new(new PcBoardOptions
        {
            MemorySize = 16 << 20,
            Engine = EngineRegistry.Find(engine)!,
            Serial = serial,
            StartTime = DateTime.UnixEpoch,
            Kernel = EnterRealMode(c =>
            {
                c.@int(0x12);
                PrintAx(c); // KiB below the extended BIOS data area
                c.mov(eax, 0xE820);
                c.clc();
                c.@int(0x15);
                c.sbb(al, al); // FFh: refused
                PrintAx(c);
                c.sti();
                c.hlt(); // until the timer ticks
                c.cli();
                c.mov(ax, __word_ptr[0x46C]);
                PrintAx(c);
                c.xor(al, al);
                c.@out(0xF4, al);
            }),
        });

        board.Start();
        Machines.Boards.MachineExit exit = await board.Exit.WaitAsync(TimeSpan.FromSeconds(60));

        Assert.Equal(Machines.Boards.MachineExitReason.DebugExit, exit.Reason);
        byte[] bytes = [.. serial.Bytes];
        Assert.Equal(639, BinaryPrimitives.ReadUInt16LittleEndian(bytes));
        Assert.Equal(0x86FF, BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(2))); // no such function
        Assert.InRange(BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(4)), 1, 1000);
    }

    private static void PrintAx(Assembler c)
    {
        c.mov(dx, SerialPort);
        c.@out(dx, al);
        c.mov(al, ah);
        c.@out(dx, al);
    }

    /// <summary>A Multiboot image that copies a program to low memory and enters it with real mode's segments and vectors.</summary>
    private static byte[] EnterRealMode(Action<Assembler> program)
    {
        Assembler real = new(16);
        real.xor(ax, ax);
        real.mov(ds, ax);
        real.mov(ss, ax);
        real.mov(sp, 0x7000);
        program(real);
        using MemoryStream code = new();
        real.Assemble(new StreamCodeWriter(code), RealModeCode + (ulong)LeaveProtectedMode.Length);
        byte[] low = [.. LeaveProtectedMode, .. code.ToArray()];
        return MultibootProgram.Assemble(c =>
        {
            for (int i = 0; i < low.Length; i += 4)
            {
                byte[] word = [.. low.Skip(i).Take(4), 0, 0, 0];
                c.mov(__dword_ptr[RealModeCode + (uint)i], BinaryPrimitives.ReadUInt32LittleEndian(word));
            }

            // A table with 16-bit code and data, and the vectors of real mode.
            Put(c, 0x7000, [0, 0, 0xFFFF, 0x00009B00, 0xFFFF, 0x00009300]);
            Put(c, 0x7040, [0x7000_0017, 0, 0x0000_03FF, 0]);
            c.lgdt(__[0x7040]);
            c.lidt(__[0x7048]);
            c.mov(eax, 0x10);
            c.mov(ds, ax);
            c.mov(es, ax);
            c.mov(ss, ax);
            c.db([0xEA, 0x00, 0x80, 0x00, 0x00, 0x08, 0x00]); // JMP 8:8000H
        });
    }

    /// <summary>16-bit code that clears CR0.PE and jumps behind itself: MOV EAX, CR0; AND AL, FEH; MOV CR0, EAX; JMP 0:800DH.</summary>
    private static ReadOnlySpan<byte> LeaveProtectedMode => [0x0F, 0x20, 0xC0, 0x24, 0xFE, 0x0F, 0x22, 0xC0, 0xEA, 0x0D, 0x80, 0x00, 0x00];

    private static void Put(Assembler c, uint address, uint[] words)
    {
        for (int i = 0; i < words.Length; i++)
        {
            c.mov(__dword_ptr[address + ((uint)i * 4)], words[i]);
        }
    }

    private sealed class SerialBytes : ISerialBackend
    {
        public ConcurrentQueue<byte> Bytes { get; } = new();

        public void Write(ReadOnlySpan<byte> bytes)
        {
            foreach (byte value in bytes)
            {
                Bytes.Enqueue(value);
            }
        }
    }
}
