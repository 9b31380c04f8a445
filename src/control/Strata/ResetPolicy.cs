namespace Strata;

/// <summary>What happens where the guest resets its machine: by ACPI, the keyboard controller, port CF9H or a triple fault.</summary>
public enum ResetPolicy
{
    /// <summary>It starts again, as a real machine does; a reset behind a kernel panic that the console showed ends the run.</summary>
    Restart,

    /// <summary>The run ends.</summary>
    Exit,

    /// <summary>It starts again, whatever came before.</summary>
    Always,
}
