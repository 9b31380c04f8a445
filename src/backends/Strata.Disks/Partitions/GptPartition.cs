namespace Strata.Disks.Partitions;

/// <summary>A partition of a <see cref="GptTable"/>.</summary>
/// <param name="Type">What it is for: <see cref="BiosBoot"/>, <see cref="EfiSystem"/>, <see cref="LinuxRoot"/> or another.</param>
/// <param name="Id">Its own, which no other partition has.</param>
/// <param name="FirstSector">Of 512 bytes.</param>
/// <param name="Sectors">How many.</param>
/// <param name="Name">Up to 36 characters.</param>
public sealed record GptPartition(Guid Type, Guid Id, long FirstSector, long Sectors, string Name)
{
    /// <summary>The second part of a boot loader for the BIOS, without a file system.</summary>
    public static Guid BiosBoot { get; } = new("21686148-6449-6E6F-744E-656564454649");

    /// <summary>The file system from which UEFI starts (FAT).</summary>
    public static Guid EfiSystem { get; } = new("C12A7328-F81F-11D2-BA4B-00A0C93EC93B");

    /// <summary>The root file system of a Linux for x86-64 (Discoverable Partitions Specification).</summary>
    public static Guid LinuxRoot { get; } = new("4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709");

    /// <summary>The last sector.</summary>
    public long LastSector => FirstSector + Sectors - 1;
}
