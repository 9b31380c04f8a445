using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Strata.EndToEnd.Tests.Harness;

/// <summary>Damages the files of a snapshot, with digests that are right again: what somebody would do who means harm.</summary>
internal sealed class SnapshotMutation
{
    private static readonly string[] Digested = ["units.bin", "pages.map", "manifest.json"];

    private static readonly Func<JsonNode?>[] Values =
    [
        () => null, () =>
            new JsonArray(), () => new JsonObject(), () => new JsonArray((JsonNode?)null), () => -1, () => 0, () => 1, () => long.MaxValue,
        () => ulong.MaxValue, () =>
            1UL << 40, () => 0.5, () => true, () => string.Empty, () => "../../escaped", () => "\0", () => "/", () => new string('a', 5000),
    ];

    private readonly string _folder;
    private readonly Dictionary<string, byte[]> _files;

    /// <param name="folder">Of the snapshot.</param>
    public SnapshotMutation(string folder)
    {
        _folder = folder;
        _files = Digested.ToDictionary(name => name, name => File.ReadAllBytes(Path.Combine(folder, name)));
    }

    /// <summary>Writes the files with one of them damaged.</summary>
    /// <returns>What was done.</returns>
    public string Apply(Random random)
    {
        Dictionary<string, byte[]> files = new(_files);
        string name = Digested[random.Next(Digested.Length)];
        (files[name], string what) = name == "manifest.json" && random.Next(4) != 0
            ? MutateJson(files[name], random)
            : MutateBytes(files[name], random);
        Write(files);
        return $"{name}: {what}";
    }

    /// <summary>Writes the files with a byte of a unit's record changed: version (16 bits), length (32 bits), fields.</summary>
    public void ChangeRecord(string unit, int offset, byte value)
    {
        Dictionary<string, byte[]> files = new(_files) { ["units.bin"] = [.. _files["units.bin"]] };
        int name = files["units.bin"].AsSpan().IndexOf(Encoding.ASCII.GetBytes(unit));
        files["units.bin"][name + unit.Length + sizeof(int) + offset] = value; // the record's length lies between
        Write(files);
    }

    public void Undo() => Write(_files);

    private void Write(Dictionary<string, byte[]> files)
    {
        StringBuilder digests = new();
        foreach ((string name, byte[] bytes) in files)
        {
            File.WriteAllBytes(Path.Combine(_folder, name), bytes);
            digests.Append(Convert.ToHexStringLower(SHA256.HashData(bytes))).Append("  ").Append(name).Append('\n');
        }

        File.WriteAllText(Path.Combine(_folder, "SHA256SUMS"), digests.ToString());
    }

    private static (byte[] Bytes, string What) MutateBytes(byte[] bytes, Random random)
    {
        byte[] changed = [.. bytes];
        switch (random.Next(4))
        {
            case 0:
                int length = random.Next(changed.Length);
                return (changed[..length], $"cut off at {length}");
            case 1:
                int at = random.Next(changed.Length - 8);
                changed.AsSpan(at, random.Next(1, 9)).Fill(random.Next(2) == 0 ? (byte)0xFF : (byte)0x7F);
                return (changed, $"filled at {at}");
            case 2:
                return ([.. changed, .. new byte[random.Next(1, 100)]], "made longer");
            default:
                int[] places = [.. Enumerable.Range(0, random.Next(1, 5)).Select(_ => random.Next(changed.Length))];
                Array.ForEach(places, place => changed[place] ^= (byte)random.Next(1, 256));
                return (changed, $"changed at {string.Join(", ", places)}");
        }
    }

    private static (byte[] Bytes, string What) MutateJson(byte[] bytes, Random random)
    {
        JsonNode root = JsonNode.Parse(bytes)!;
        List<(JsonNode Parent, object Key)> places = [];
        Collect(root, places);
        (JsonNode parent, object key) = places[random.Next(places.Count)];
        JsonNode? value = Values[random.Next(Values.Length)]();
        string what = $"{parent.GetPath()}[{key}] = {value?.ToJsonString() ?? "null"}";
        if (key is string name)
        {
            parent[name] = value;
        }
        else
        {
            parent[(int)key] = value;
        }

        return (Encoding.UTF8.GetBytes(root.ToJsonString()), what);
    }

    private static void Collect(JsonNode? node, List<(JsonNode Parent, object Key)> places)
    {
        IEnumerable<(object Key, JsonNode? Value)> children = node switch
        {
            JsonObject named => named.Select(child => ((object)child.Key, child.Value)),
            JsonArray array => array.Select((child, index) => ((object)index, child)),
            _ => [],
        };
        foreach ((object key, JsonNode? value) in children.ToList())
        {
            places.Add((node!, key));
            Collect(value, places);
        }
    }
}
