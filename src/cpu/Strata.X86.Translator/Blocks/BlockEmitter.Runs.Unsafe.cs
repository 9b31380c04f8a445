using Iced.Intel;
using Strata.X86.Translator.Cache;
using Strata.X86.Translator.Emit;
using static Strata.X86.Translator.Emit.HostRegister;

namespace Strata.X86.Translator.Blocks;

/// <summary>
/// Runs of PUSH at the start of functions, and of POP and RET at their end, with one TLB check for the whole run. Where the run
/// does not lie in one page, each goes on with a check of its own; where it faults, its first instruction is executed by itself.
/// </summary>
internal sealed unsafe partial class BlockEmitter
{
    private const int LongestRun = 8;

    /// <summary>Instructions from the first on that are one run of PUSH, with plain moves between them; 0 for none.</summary>
    private static int FindPushRun(ReadOnlySpan<DecodedInstruction> instructions)
    {
        int pushes = 0;
        int length = 0;
        for (int i = 0; i < instructions.Length && pushes < LongestRun; i++)
        {
            ref readonly Instruction instruction = ref instructions[i].Instruction;
            if (IsPlainPush(instruction))
            {
                pushes++;
                length = i + 1;
            }
            else if (pushes == 0 || !IsPlainMove(instruction))
            {
                break;
            }
        }

        return pushes > 1 ? length : 0;
    }

    /// <summary>Instructions from the first on that are POP, and RET behind them; 0 if fewer than two.</summary>
    private static int FindPopRun(ReadOnlySpan<DecodedInstruction> instructions)
    {
        int length = 0;
        while (length < instructions.Length && length < LongestRun && IsPlainPop(instructions[length].Instruction))
        {
            length++;
        }

        bool returns = length > 0 && length < instructions.Length && instructions[length].Traits.Handling == Handling.Return;
        return returns ? length + 1 : length > 1 ? length : 0;
    }

    private static bool IsPlainPush(in Instruction instruction) =>
        (instruction.Code is Code.Push_r64 or Code.Push_r32 && instruction.Op0Register.GetFullRegister() != Register.RSP)
        || instruction.Code is Code.Pushq_imm8 or Code.Pushq_imm32 or Code.Pushd_imm8 or Code.Pushd_imm32;

    private static bool IsPlainPop(in Instruction instruction) =>
        instruction.Code is Code.Pop_r64 or Code.Pop_r32 && instruction.Op0Register.GetFullRegister() != Register.RSP;

    /// <summary>Moves between registers that need no scratch register but Scratch1; RSP at most as the source.</summary>
    private static bool IsPlainMove(in Instruction instruction) =>
        instruction.Code is Code.Mov_r64_rm64 or Code.Mov_rm64_r64 or Code.Mov_r32_rm32 or Code.Mov_rm32_r32
        && instruction.Op0Kind == OpKind.Register && instruction.Op1Kind == OpKind.Register
        && instruction.Op0Register.GetFullRegister() != Register.RSP;

    private void EmitPushRun(ref HostAssembler a, ReadOnlySpan<DecodedInstruction> run)
    {
        int bytes = 0;
        foreach (ref readonly DecodedInstruction decoded in run)
        {
            bytes += decoded.Traits.Handling == Handling.Push ? SlotBytes : 0;
        }

        PreserveFlags(ref a, run[0]);
        byte* restart = a.At;
        StackAddress(ref a, Scratch1, GuestRsp, -bytes);
        Site site = AccessSite(run[0], bytes, write: true, stack: true, restart) with
        {
            First = (byte)(bytes - SlotBytes),
            FirstSize = (byte)SlotBytes,
        };
        HostOperand place = EmitCheck(ref a, StackForm(GuestRsp, -bytes), site, keepScratch2: false, isRun: true);
        int left = bytes;
        foreach (ref readonly DecodedInstruction decoded in run)
        {
            if (decoded.Traits.Handling != Handling.Push)
            {
                EmitPlainMove(ref a, decoded.Instruction, left - bytes);
                continue;
            }

            left -= SlotBytes;
            EmitPushValue(ref a, decoded.Instruction, place with { Displacement = place.Displacement + left });
        }

        MoveStackPointer(ref a, -bytes);
    }

    private void EmitPushValue(ref HostAssembler a, in Instruction instruction, in HostOperand place)
    {
        if (instruction.Op0Kind != OpKind.Register)
        {
            StoreSlotImmediate(ref a, place, (int)instruction.GetImmediate(0));
            return;
        }

        int guest = NumberOf(instruction.Op0Register);
        int from = HomeOf(guest);
        if (from < 0)
        {
            a.LoadFrame(Scratch1, SlotOf(guest));
            from = Scratch1;
        }

        StoreSlot(ref a, place, from);
    }

    /// <param name="pushed">What RSP would have changed by so far; bytes.</param>
    private static void EmitPlainMove(ref HostAssembler a, in Instruction instruction, int pushed)
    {
        bool wide = instruction.Op0Register.IsGPR64();
        int source = NumberOf(instruction.Op1Register);
        int target = NumberOf(instruction.Op0Register);
        int from = HomeOf(source);
        if (from < 0)
        {
            a.LoadFrame(Scratch1, SlotOf(source));
            from = Scratch1;
        }

        int to = HomeOf(target) >= 0 ? HomeOf(target) : Scratch1;
        if (source == Rsp)
        {
            a.Lea(to, GuestRsp, HostRegister.None, 0, pushed, wide);
        }
        else
        {
            Wide(ref a, 0x89, from, to, wide);
        }

        if (to == Scratch1)
        {
            a.StoreFrame(SlotOf(target), Scratch1);
        }
    }

    /// <returns>Whether the run ended with RET.</returns>
    private bool EmitPopRun(ref HostAssembler a, ReadOnlySpan<DecodedInstruction> run)
    {
        PreserveFlags(ref a, run[0]);
        byte* restart = a.At;
        StackAddress(ref a, Scratch1, GuestRsp, 0);
        Site site = AccessSite(run[0], run.Length * SlotBytes, write: false, stack: true, restart) with { FirstSize = (byte)SlotBytes };
        HostOperand place = EmitCheck(ref a, StackForm(GuestRsp, 0), site, keepScratch2: false, isRun: true);
        bool returns = run[^1].Traits.Handling == Handling.Return;
        int pops = returns ? run.Length - 1 : run.Length;
        for (int i = 0; i < pops; i++)
        {
            HostOperand slot = place with { Displacement = i * SlotBytes };
            int guest = NumberOf(run[i].Instruction.Op0Register);
            if (HomeOf(guest) >= 0)
            {
                LoadSlot(ref a, HomeOf(guest), slot);
            }
            else
            {
                LoadSlot(ref a, Scratch1, slot);
                a.StoreFrame(SlotOf(guest), Scratch1);
            }
        }

        if (returns)
        {
            LoadSlot(ref a, Scratch1, place with { Displacement = pops * SlotBytes });
            EmitReturnTo(ref a, run[^1], pops * SlotBytes);
            return true;
        }

        MoveStackPointer(ref a, pops * SlotBytes);
        return false;
    }
}
