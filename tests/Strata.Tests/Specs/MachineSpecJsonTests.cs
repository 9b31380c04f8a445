using System.Reflection;
using System.Text.Json;
using Strata.Machines.Boards;
using Strata.Networking.Nat;
using Strata.Tests.Architecture;

namespace Strata.Tests.Specs;

/// <summary>A machine specification as JSON: docs/formats/machine-spec.md.</summary>
public sealed class MachineSpecJsonTests : IDisposable
{
    private const string SchemaFile = "docs/formats/machine-spec.schema.json";

    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void ToJson_EveryFieldSet_IsReadBackFieldByField()
    {
        MachineSpec spec = SpecSample.Create();

        MachineSpec copy = MachineSpec.FromJson(spec.ToJson());

        Assert.Equal(SpecSample.Flatten(spec), SpecSample.Flatten(copy));
    }

    [Fact]
    public void Sample_OfTheTestAbove_DiffersFromTheDefaultsInEveryProperty()
    {
        MachineSpec spec = SpecSample.Create();
        MachineSpec defaults = new();

        string[] same = [.. SpecSample.PropertiesOf(typeof(MachineSpec))
            .Where(property => SpecSample.Flatten(property.GetValue(spec)).SequenceEqual(SpecSample.Flatten(property.GetValue(defaults))))
            .Select(property => property.Name)];

        Assert.Empty(same);
    }

    [Fact]
    public void ToJson_DefaultsOnly_AreWrittenOut()
    {
        string json = new MachineSpec { Kernel = "vmlinuz" }.ToJson();

        using JsonDocument document = JsonDocument.Parse(json);
        Assert.Equal("512M", document.RootElement.GetProperty("memory").GetString());
        Assert.Equal(SpecSample.Flatten(new MachineSpec { Kernel = "vmlinuz" }), SpecSample.Flatten(MachineSpec.FromJson(json)));
    }

    [Fact]
    public void Properties_OfASpecification_AreDataAlone()
    {
        string[] alive = [.. SpecSample.PropertiesOf(typeof(MachineSpec)).Select(property => property.PropertyType)
            .Where(type => typeof(Delegate).IsAssignableFrom(type) || typeof(IDisposable).IsAssignableFrom(type))
            .Select(type => type.Name)];

        Assert.Empty(alive);
    }

    [Fact]
    public void FromJson_LeastSpecification_HasTheDefaults() =>
        Assert.Equal(
            SpecSample.Flatten(new MachineSpec { Image = "debian-tiny" }),
            SpecSample.Flatten(MachineSpec.FromJson("""{ "version": 1, "image": "debian-tiny" }""")));

    [Fact]
    public void FromJson_TextFormsOfTheCommand_AreUnderstood()
    {
        MachineSpec spec = MachineSpec.FromJson("""
            {
              "$schema": "machine-spec.schema.json", "version": 1, "kernel": "vmlinuz", "memory": 1073741824,
              "disks": ["a,,b.img,readonly", { "path": "c.qcow2" }], "shares": ["/srv:data,readonly"],
              "networks": ["user,restrict", "switch=lab,vlan=3",
                { "user": { "forwards": ["udp:5353:53"], "egress": { "rules": ["deny=10.0.0.0/8"] } } }]
            }
            """);

        Assert.Equal(1UL << 30, spec.Memory);
        Assert.Equal([DiskSpec.Parse("a,,b.img,readonly"), DiskSpec.FromPath("c.qcow2")], spec.Disks);
        Assert.Equal([FolderShare.Parse("/srv:data,readonly")], spec.Shares);
        Assert.Equal(SpecSample.Flatten(NetworkCard.Parse("user,restrict")), SpecSample.Flatten(spec.Networks[0]));
        Assert.Equal(SpecSample.Flatten(NetworkCard.Parse("switch=lab,vlan=3")), SpecSample.Flatten(spec.Networks[1]));
        UserNetworkOptions user = Assert.IsType<NetworkPlug.User>(spec.Networks[2].Plug).Options;
        Assert.Equal([NetworkCard.ParseForward("udp:5353:53")], user.Forwards);
        Assert.Equal([new EgressRule(Allow: false, Strata.Networking.Frames.InternetNetwork.Parse("10.0.0.0/8"))], user.Egress.Rules);
    }

    [Fact]
    public void FromJson_ByteOrderMark_IsSkipped() =>
        Assert.Equal("debian", MachineSpec.FromJson("\uFEFF" + """{ "version": 1, "image": "debian" }""").Image);

    [Fact]
    public async Task LoadAsync_RelativePaths_StartFromTheFile()
    {
        string file = _folder.Write(
            "m.json",
            """{ "version": 1, "kernel": "boot/vmlinuz", "disks": ["/abs.raw", "d.raw"], "keep": "web", "shares": ["src:src"] }"""u8);

        MachineSpec spec = await MachineSpec.LoadAsync(file);

        Assert.Equal((_folder.PathOf("boot/vmlinuz"), "web", _folder.PathOf("src")), (spec.Kernel, spec.Keep, spec.Shares[0].Folder));
        Assert.Equal(["/abs.raw", _folder.PathOf("d.raw")], spec.Disks.Select(disk => disk.Path));
    }

    [Fact]
    public async Task LoadAsync_FileTooLarge_IsRefusedUnread()
    {
        string file = _folder.WriteSparse("m.json", 1L << 40);

        StrataException error = await Assert.ThrowsAsync<StrataException>(() => MachineSpec.LoadAsync(file));

        Assert.Equal(StrataError.BadInput, error.Error);
        Assert.Contains("more than 1024 KiB", error.Message, StringComparison.Ordinal);
        Assert.Contains(file, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task LoadAsync_NoFile_SaysWhich()
    {
        StrataException error = await Assert.ThrowsAsync<StrataException>(() => MachineSpec.LoadAsync(_folder.PathOf("none.json")));

        Assert.Contains("none.json", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "Line 1 is no JSON")]
    [InlineData("{", "Line 1 is no JSON")]
    [InlineData("{\n\"version\": 1,\n}", "Line 3 is no JSON")]
    [InlineData("[]", "a list is not possible here")]
    [InlineData("null", "null is not possible here")]
    [InlineData("{}", "version: the field is missing")]
    [InlineData("""{ "version": "1" }""", "version: \"1\" is not possible here; write 1.")]
    [InlineData("""{ "version": 0 }""", "version: 0 is not possible")]
    [InlineData(
        """{ "version": 2, "new": 1 }""", "version: the specification is of version 2, and this Strata reads up to 1; use a newer Strata")]
    public void FromJson_NoSpecification_SaysWhy(string json, string message) => AssertRefused(json, message);

    [Theory]
    [InlineData("\"processor\": 2", "processor: a machine specification has no such field; remove it, or write one of name, image")]
    [InlineData("\"processors\": 2, \"processors\": 2", "processors: the field is there twice")]
    [InlineData("\"processors\": \"2\"", "processors: \"2\" is not possible here; write a whole number from 1 to 64.")]
    [InlineData("\"processors\": 2.5", "processors: 2.5 is not")]
    [InlineData("\"processors\": 1e1", "processors: 1e1 is not")]
    [InlineData("\"processors\": 65", "processors: 65 is not")]
    [InlineData("\"processors\": 99999999999999999999", "processors: 99999999999999999999 is not")]
    [InlineData("\"processors\": null", "processors: null is not")]
    [InlineData(
        "\"memory\": \"lots\"",
        "memory: \"lots\" is not possible here; write a size in bytes, or with K, M, G or T as in \"8M\", from 8M to 511G, a multiple of " +
        "1M.")]
    [InlineData("\"memory\": \"4M\"", "memory: \"4M\" is not")]
    [InlineData("\"memory\": 8388609", "memory: 8388609 is not")]
    [InlineData("\"memory\": \"512G\"", "memory: \"512G\" is not")]
    [InlineData("\"engine\": \"Translator\"", "engine: \"Translator\" is not possible here; write \"auto\", \"kvm\"")]
    [InlineData("\"sockets\": 1", "sockets: 1 is not possible here; write true or false.")]
    [InlineData("\"kernel\": \"\"", "kernel: \"\" is not possible here; write the path of a file")]
    [InlineData("\"kernel\": \"a\\u0000b\"", "kernel: ")]
    [InlineData("\"name\": \"\\ud800\"", "name: a text that is no Unicode is not")]
    [InlineData("\"\\ud800\": 1", "a field's name is no Unicode")]
    [InlineData("\"disks\": {}", "disks: an object is not possible here; write a list of at most 32")]
    [InlineData(
        "\"disks\": [\"a\", { \"path\": \"b\", \"format\": \"tar\" }]",
        "disks[1].format: \"tar\" is not possible here; write \"qcow2\", \"vmdk\"")]
    [InlineData("\"disks\": [{ \"format\": \"raw\" }]", "disks[0].path: the field is missing, and a disk needs it")]
    [InlineData("\"disks\": [{ \"path\": \"a\", \"throttle\": { \"bytesPerSecond\": 0 } }]", "disks[0].throttle.bytesPerSecond: 0 is not")]
    [InlineData("\"disks\": [\"a,fast\"]", "disks[0]: \"fast\" is no option of a disk")]
    [InlineData("\"disks\": [7]", "disks[0]: 7 is not possible here; write a disk as an object in braces, or as text: PATH")]
    [InlineData("\"shares\": [{ \"folder\": \"a\" }]", "shares[0].tag: the field is missing")]
    [InlineData(
        "\"shares\": [{ \"folder\": \"a\", \"tag\": \"b\", \"validity\": \"soon\" }]",
        "shares[0].validity: \"soon\" is not possible here; write a time")]
    [InlineData("\"networks\": [{}]", "networks[0]: a network card has none of user, switch, tap, attachment; write exactly one.")]
    [InlineData("\"networks\": [{ \"user\": {}, \"tap\": { \"name\": \"tap0\" } }]", "networks[0]: a network card has more than one of")]
    [InlineData("\"networks\": [{ \"user\": null }]", "networks[0].user: null is no network")]
    [InlineData("\"networks\": [{ \"switch\": { \"name\": \"a b\" } }]", "networks[0].switch.name: \"a b\" cannot name a switch")]
    [InlineData("\"networks\": [{ \"switch\": { \"name\": \"a\", \"vlan\": 4095 } }]", "networks[0].switch.vlan: 4095 is not")]
    [InlineData(
        "\"networks\": [{ \"switch\": { \"name\": \"a\", \"conditions\": { \"loss\": 1.5 } } }]",
        "networks[0].switch.conditions.loss: 1.5 is not possible here; write a number from 0 to 1.")]
    [InlineData("\"networks\": [{ \"user\": { \"forwards\": [\"2222\"] } }]", "networks[0].user.forwards[0]: \"2222\" forwards no port")]
    [InlineData(
        "\"networks\": [{ \"user\": { \"forwards\": [{ \"guestPort\": 0 }] } }]", "networks[0].user.forwards[0].guestPort: 0 is not")]
    [InlineData(
        "\"networks\": [{ \"user\": { \"egress\": { \"rules\": [\"permit=any\"] } } }]",
        "networks[0].user.egress.rules[0]: \"permit=any\" is no rule")]
    [InlineData(
        "\"networks\": [{ \"user\": { \"gateway\": \"10.0.2\" } }]",
        "networks[0].user.gateway: \"10.0.2\" is not possible here; write an IPv4 address.")]
    [InlineData("\"networks\": [{ \"user\": {}, \"mac\": \"52:54\" }]", "networks[0].mac: \"52:54\" is not")]
    [InlineData("\"networks\": [\"none\"]", "networks[0]: There is no network \"none\"")]
    public void FromJson_FieldThatCannotBe_SaysWhereWhyAndWhatToWrite(string field, string message) =>
        AssertRefused($$"""{ "version": 1, {{field}} }""", message);

    [Fact]
    public void FromJson_DeepNesting_IsRefused() =>
        AssertRefused($$"""{ "version": 1, "disks": {{new string('[', 100)}}{{new string(']', 100)}} }""", "is no JSON");

    [Fact]
    public void Limits_OfTheSpecification_AreTheBoards()
    {
        Assert.Equal(PcBoardOptions.LargestMemory, MachineSpec.LargestMemory);
    }

    /// <summary>STRATA_WRITE_SCHEMA=1 writes the file.</summary>
    [Fact]
    public void Schema_OfTheDocumentation_IsThatOfTheReader()
    {
        string path = Path.Combine(ProjectFile.FindRoot(), SchemaFile);
        string schema = MachineSpec.DescribeJson();
        if (Environment.GetEnvironmentVariable("STRATA_WRITE_SCHEMA") is not null)
        {
            File.WriteAllText(path, schema);
        }

        Assert.Equal(schema, File.ReadAllText(path));
    }

    [Fact]
    public void Example_OfTheDocumentation_IsASpecification()
    {
        string document = File.ReadAllText(Path.Combine(ProjectFile.FindRoot(), "docs/formats/machine-spec.md"));
        string json = document.Split("```json\n")[1].Split("```")[0];

        MachineSpec spec = MachineSpec.FromJson(json);

        Assert.Equal(("debian", 2), (spec.Image, spec.Processors));
    }

    public void Dispose() => _folder.Dispose();

    private static void AssertRefused(string json, string message)
    {
        StrataException error = Assert.Throws<StrataException>(() => MachineSpec.FromJson(json));

        Assert.Equal(StrataError.BadInput, error.Error);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }
}
