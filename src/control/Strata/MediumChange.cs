namespace Strata;

/// <summary>What is to be done with a drive: another medium, or none.</summary>
public sealed record MediumChange
{
    /// <summary>Name of the drive, as <see cref="RemovableDrive.Name"/>; null where the machine has only one.</summary>
    public string? Drive { get; init; }

    /// <summary>Path of an image to put in; null to leave the drive empty.</summary>
    public string? Path { get; init; }

    /// <summary>Takes the medium out although the guest keeps it in, as a paper clip does: the guest's reads fail.</summary>
    public bool IsForced { get; init; }
}
