using System.Diagnostics;

namespace Strata.Machines.Tests.Acpi;

/// <summary>What ACPICA's compiler reads in the tables; skipped where the host has no iasl (package acpica-tools).</summary>
public sealed class AcpiCompilerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("strata-acpi-").FullName;

    [CompilerFact]
    public async Task Dsdt_Disassembled_HasTheDevicesAndCompilesAgain()
    {
        using AcpiBoard board = new();

        string source = await DisassembleAsync("dsdt", board.Dsdt);
        string compiled = await CompileAsync("-oa", "-p", Path.Combine(_folder, "again"), Path.Combine(_folder, "dsdt.dsl"));

        Assert.All(
            [
                "Name (_S5, Package", "Device (PCI0)", "Device (COM1)", "Device (RTC)", "Device (KBD)", "EisaId (\"PNP0A03\")",
                "EisaId (\"PNP0501\")", "Name (_PRT", "Device (VGEN)", "Method (_E00", "Notify (\\_SB.VGEN, 0x80)"],
            term => Assert.Contains(term, source, StringComparison.Ordinal));
        Assert.Contains(" 0 Errors", compiled, StringComparison.Ordinal);
        Assert.Contains(" 0 Warnings", compiled, StringComparison.Ordinal);
        Assert.DoesNotContain("Unknown", source, StringComparison.OrdinalIgnoreCase);
    }

    [CompilerFact]
    public async Task DataTables_Disassembled_AreUnderstoodWholly()
    {
        using AcpiBoard board = new(processors: 4);
        byte[][] tables = [
            .. board.Tables, board.Xsdt, board.Table(AcpiBoard.Field32(board.Rsdp, 16)), board.Table(AcpiBoard.Field64(board.Fadt, 132))];

        foreach (byte[] table in tables)
        {
            string name = AcpiBoard.Signature(table);
            string source = await DisassembleAsync(name, table);

            Assert.Contains($"Signature : \"{name}\"", source, StringComparison.Ordinal);
            Assert.DoesNotContain("Incorrect checksum", source, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain("Unknown", source, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain("Invalid", source, StringComparison.OrdinalIgnoreCase);
        }
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private async Task<string> DisassembleAsync(string name, byte[] table)
    {
        string path = Path.Combine(_folder, name + ".dat");
        await File.WriteAllBytesAsync(path, table);
        await CompileAsync("-d", path);
        return await File.ReadAllTextAsync(Path.ChangeExtension(path, "dsl"));
    }

    private async Task<string> CompileAsync(params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo("iasl", arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = _folder,
        })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync() + await errors;
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, output);
        return output;
    }

    /// <summary>Needs iasl.</summary>
    private sealed class CompilerFactAttribute : FactAttribute
    {
        public CompilerFactAttribute()
        {
            string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(':');
            Skip = folders.Any(folder => File.Exists(Path.Combine(folder, "iasl"))) ? null : "The host has no iasl.";
        }
    }
}
