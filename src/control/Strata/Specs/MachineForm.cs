using System.Text.Json;
using Strata.Engines;
using Strata.Images;
using static Strata.Specs.SpecKinds;

namespace Strata.Specs;

/// <summary>
/// The form of a machine specification: a table a record. The schema beside docs/formats/machine-spec.md is written from them.
/// </summary>
internal static class MachineForm
{
    private const string VersionField = "version";
    private const string SchemaField = "$schema";
    private const int MostDevices = 32;
    private const int MostOverlays = 64;
    private const int MostBootDevices = 4;
    private const int MostUsbDevices = 2;

    private static readonly ChoiceKind<FirmwareKind> Firmware = new(
        (FirmwareKind.None, "none"), (FirmwareKind.SeaBios, "seabios"), (FirmwareKind.Ovmf, "ovmf"));

    private static readonly ChoiceKind<BootDevice> BootFrom = new(
        (BootDevice.Disk, "disk"), (BootDevice.Cdrom, "cdrom"), (BootDevice.Floppy, "floppy"), (BootDevice.Network, "net"));

    private static readonly ChoiceKind<UsbDevice> Usb = new((UsbDevice.Tablet, "tablet"), (UsbDevice.Keyboard, "keyboard"));

    private static readonly SpecRecord<SoundSpec> Sound = new(
        "a sound card", () => SoundSpec.Unheard, SoundSpec.Parse, SoundSpec.Syntax)
    {
        { "wave", OptionalPath, s => s.Wave, (s, v) => s with { Wave = v }, "WAV file that receives what is played; null for nowhere." },
    };

    private static readonly SpecRecord<GuestSetup> Setup = new("a setup", () => GuestSetup.Default)
    {
        { "hostName", OptionalText, s => s.HostName, (s, v) => s with { HostName = v }, "Host name of the image's system." },
        { "timeZone", OptionalText, s => s.TimeZone, (s, v) => s with { TimeZone = v }, "Name in the tz database, such as Europe/Rome." },
        { "sshKeys", OptionalText, s => s.SshKeys, (s, v) => s with { SshKeys = v }, "Lines of authorized_keys for root." },
    };

    private static readonly SpecRecord<FolderShare> Share = new(
        "a shared folder", () => new FolderShare(string.Empty, string.Empty), FolderShare.Parse, FolderShare.Syntax)
    {
        { "folder", FilePath, s => s.Folder, (s, v) => s with { Folder = v }, "Folder of the host.", true },
        { "tag", Text, s => s.Tag, (s, v) => s with { Tag = v }, "What the guest mounts it by.", true },
        { "readOnly", Flag, s => s.IsReadOnly, (s, v) => s with { IsReadOnly = v }, "The guest cannot change anything." },
        {
            "validity", Duration,
            s => s.Validity, (s, v) => s with { Validity = v },
            "How long the guest may use names and attributes without asking again."
        },
        {
            "owner", Optional(new TextKind<GuestOwner>(
                "a user, or a user and a group, such as \"1000:1000\"", GuestOwner.TryParse, owner => owner.ToString())),
            s => s.Owner, (s, v) => s with { Owner = v },
            "The guest's user, and group, whose the folder's files are; null for root or, where root runs the machine, for the host's " +
            "owners."
        },
    };

    private static readonly SpecRecord<ModuleFile> Module = new(
        "a module", () => new ModuleFile(string.Empty, string.Empty), ModuleFile.Parse, ModuleFile.Syntax)
    {
        { "path", FilePath, m => m.Path, (m, v) => m with { Path = v }, "The file.", true },
        { "text", Text, m => m.Text, (m, v) => m with { Text = v }, "The string that comes with it.", true },
    };

    private static readonly SpecRecord<CloudInitSpec> CloudInit = new("what cloud-init is told", () => new CloudInitSpec())
    {
        { "userData", LongText, c => c.UserData, (c, v) => c with { UserData = v }, "What is to be done.", true },
        { "metaData", Optional(LongText), c => c.MetaData, (c, v) => c with { MetaData = v }, "Who the machine is." },
        { "networkConfig", Optional(LongText), c => c.NetworkConfig, (c, v) => c with { NetworkConfig = v }, "How its network is set up." },
    };

    private static readonly SpecRecord<MachineSpec> Machine = new("a machine specification", () => new MachineSpec())
    {
        { "name", OptionalText, s => s.Name, (s, v) => s with { Name = v }, "What others call the machine." },
        {
            "image", OptionalText,
            s => s.Image, (s, v) => s with { Image = v },
            "Image that kernel, initial RAM disk, command line and first disk come from where there is no kernel."
        },
        { "setup", Setup, s => s.Setup, (s, v) => s with { Setup = v }, "What the image's system is told when it starts." },
        {
            "keep", OptionalPath,
            s => s.Keep, (s, v) => s with { Keep = v },
            "Name or folder that the image's disk is kept under; null throws changes away."
        },
        {
            "imageFolder", OptionalPath,
            s => s.ImageFolder, (s, v) => s with { ImageFolder = v },
            "Folder of an image that the files are of, which may be built anew."
        },
        {
            "kernel", OptionalPath,
            s => s.Kernel, (s, v) => s with { Kernel = v },
            "Kernel to boot: bzImage, ELF with a PVH entry, or Multiboot."
        },
        { "initrd", OptionalPath, s => s.Initrd, (s, v) => s with { Initrd = v }, "Initial RAM disk." },
        {
            "initrdOverlays", new ListKind<string>(FilePath, MostOverlays),
            s => s.InitrdOverlays, (s, v) => s with { InitrdOverlays = v },
            "Initial RAM disks that are unpacked over the first."
        },
        {
            "modules", new ListKind<ModuleFile>(Module, MostDevices),
            s => s.Modules, (s, v) => s with { Modules = v },
            "What a Multiboot or PVH kernel is given behind the initial RAM disk."
        },
        {
            "commandLine", OptionalText,
            s => s.CommandLine, (s, v) => s with { CommandLine = v },
            "Kernel command line; with the kernel of an image, added to the image's own."
        },
        {
            "firmware", OptionalValue(Firmware),
            s => s.Firmware, (s, v) => s with { Firmware = v },
            "What starts the machine; null for firmware where there is no kernel, chosen by what the disks hold."
        },
        {
            "firmwareVariables", OptionalPath,
            s => s.FirmwareVariables, (s, v) => s with { FirmwareVariables = v },
            "File that keeps the variables of UEFI firmware; null for variables that end with the machine."
        },
        {
            "boot", new ListKind<BootDevice>(BootFrom, MostBootDevices),
            s => s.Boot, (s, v) => s with { Boot = v },
            "What firmware tries to start from, in this order."
        },
        { "bootMenu", Flag, s => s.BootMenu, (s, v) => s with { BootMenu = v }, "Firmware shows a menu of what to start from." },
        {
            "memory", new SizeKind((long)MachineSpec.SmallestMemory, (long)MachineSpec.LargestMemory, (long)MachineSpec.MemoryUnit),
            s => (long)s.Memory, (s, v) => s with { Memory = (ulong)v },
            "RAM in bytes, or with a unit."
        },
        {
            "processors", new NumberKind<int>(1, MachineSpec.MostProcessors),
            s => s.Processors, (s, v) => s with { Processors = v },
            "Processors."
        },
        {
            "engine", new ChoiceKind<Engine>([.. EngineNames.All.Select(name => (new Engine(name), name))]),
            s => s.Engine, (s, v) => s with { Engine = v },
            "How guest code is executed."
        },
        {
            "cpu", Optional(new TextKind<string>(CpuNames.Form, CpuNames.TryParse, name => name)),
            s => s.Cpu, (s, v) => s with { Cpu = v },
            "What the guest's processors can do; null for what the host's can."
        },
        {
            "portableCpu", Flag,
            s => s.PortableCpu, (s, v) => s with { PortableCpu = v },
            "Offer only what every engine of this host can run."
        },
        { "paravirtual", Flag, s => s.Paravirtual, (s, v) => s with { Paravirtual = v }, "Offer what guests built for KVM know." },
        {
            "reset",
            new ChoiceKind<ResetPolicy>((ResetPolicy.Restart, "restart"), (ResetPolicy.Exit, "exit"), (ResetPolicy.Always, "always")),
            s => s.Reset, (s, v) => s with { Reset = v },
            "What happens where the guest resets its machine; restart ends the run behind a kernel panic."
        },
        { "testDevices", Flag, s => s.TestDevices, (s, v) => s with { TestDevices = v }, "Give the machine what kvm-unit-tests drive." },
        {
            "acceptsDefectiveKvm", Flag,
            s => s.AcceptsDefectiveKvm, (s, v) => s with { AcceptsDefectiveKvm = v },
            "Use a KVM that executes something wrongly."
        },
        { "writePerfMap", Flag, s => s.WritePerfMap, (s, v) => s with { WritePerfMap = v }, "Name translated blocks for Linux perf." },
        {
            "disks", new ListKind<DiskSpec>(DiskForm.Disk, MostDevices),
            s => s.Disks, (s, v) => s with { Disks = v },
            "Disk images: /dev/vda, /dev/vdb …, and those on other buses."
        },
        {
            "networks", new ListKind<NetworkCard>(NetworkForm.Card, MostDevices),
            s => s.Networks, (s, v) => s with { Networks = v },
            "Network cards; without the field, one on a private network; [] for none."
        },
        {
            "shares", new ListKind<FolderShare>(Share, MostDevices),
            s => s.Shares, (s, v) => s with { Shares = v },
            "Folders of the host for the guest."
        },
        {
            "sockets", Flag,
            s => s.Sockets, (s, v) => s with { Sockets = v },
            "Sockets between host and guest, which the agent needs; an image's machine has them."
        },
        { "sound", Optional(Sound), s => s.Sound, (s, v) => s with { Sound = v }, "A sound card (AC '97)." },
        {
            "usb", new ListKind<UsbDevice>(Usb, MostUsbDevices),
            s => s.Usb, (s, v) => s with { Usb = v },
            "Devices on a USB controller."
        },
        { "hpet", Flag, s => s.Hpet, (s, v) => s with { Hpet = v }, "High-precision event timers." },
        {
            "smbios", SmbiosForm.Smbios,
            s => s.Smbios, (s, v) => s with { Smbios = v },
            "What the guest reads about its machine in SMBIOS tables; without a field in it there are none."
        },
        {
            "cloudInit", Optional(CloudInit),
            s => s.CloudInit, (s, v) => s with { CloudInit = v },
            "The texts that cloud-init in the guest reads, from a disc; null for none."
        },
        { "balloon", Flag, s => s.Balloon, (s, v) => s with { Balloon = v }, "A memory balloon." },
        {
            "console", new ChoiceKind<ConsoleDevice>(ConsoleDevices),
            s => s.Console, (s, v) => s with { Console = v },
            "The device that is the console."
        },
    };

    private static (ConsoleDevice Value, string Word)[] ConsoleDevices =>
        [(ConsoleDevice.Serial, "serial"), (ConsoleDevice.Virtio, "virtio")];

    /// <exception cref="SpecException">It is no machine specification of this version.</exception>
    public static MachineSpec Read(SpecNode node)
    {
        if (node.Element.ValueKind != JsonValueKind.Object)
        {
            throw node.Refuse("a machine specification as an object in braces");
        }

        // Before anything else: another version may have other fields.
        if (!node.Element.TryGetProperty(VersionField, out JsonElement version))
        {
            throw node.Fail($"{VersionField}: the field is missing; add \"{VersionField}\": {MachineSpec.Version}.");
        }

        if (version.ValueKind != JsonValueKind.Number || !version.TryGetInt32(out int number) || number < 1)
        {
            throw node.Field(VersionField, version).Refuse($"{MachineSpec.Version}");
        }

        return number <= MachineSpec.Version
            ? Machine.ReadFields(node, [VersionField, SchemaField])
            : throw node.Field(VersionField, version).Fail(
                $"the specification is of version {number}, and this Strata reads up to {MachineSpec.Version}; "
                    + "use a newer Strata, or write the older form.");
    }

    public static void Write(Utf8JsonWriter writer, MachineSpec spec)
    {
        writer.WriteStartObject();
        writer.WriteNumber(VersionField, MachineSpec.Version);
        Machine.WriteFields(writer, spec);
        writer.WriteEndObject();
    }

    /// <summary>Writes the JSON Schema.</summary>
    public static void Describe(Utf8JsonWriter schema)
    {
        schema.WriteStartObject();
        schema.WriteString("$schema", "https://json-schema.org/draft/2020-12/schema");
        schema.WriteString("title", "A machine specification of Strata");
        Machine.DescribeObject(
            schema,
            more =>
            {
                more.WriteStartObject(SchemaField);
                more.WriteString("description", "For editors; not read.");
                more.WriteString("type", "string");
                more.WriteEndObject();
                more.WriteStartObject(VersionField);
                more.WriteString("description", "Version of this form.");
                more.WriteNumber("const", MachineSpec.Version);
                more.WriteEndObject();
            },
            VersionField);
        schema.WriteEndObject();
    }
}
