using Strata.Control;

namespace Strata;

/// <summary>Writes a file of a guest into a device, FIFO or pipe of the host, which the user named.</summary>
internal sealed class StreamTarget(Stream stream, string path, Action<string> leftOut) : ITreeTarget
{
    private bool _isOpen;
    private bool _hasRoot;

    public void Add(TreeNode node)
    {
        if (_hasRoot || node.Path.Length > 0)
        {
            throw new InvalidDataException("The guest's agent sent more than the file that was asked for.");
        }

        _hasRoot = _isOpen = node.Kind == 'f'
            ? true
            : throw new StrataException(
                StrataError.BadInput, $"{Printable.Text(path)} is no folder, and a folder cannot be written to it; name another target.");
    }

    public void Write(ReadOnlySpan<byte> content)
    {
        if (!_isOpen)
        {
            throw new InvalidDataException("The guest's agent sent content without a file.");
        }

        try
        {
            stream.Write(content);
        }
        catch (IOException error)
        {
            throw new StrataException(StrataError.Host, $"{Printable.Text(path)} cannot be written: {error.Message}", error);
        }
    }

    public void LeaveOut(string what)
    {
        _isOpen = false;
        leftOut(what);
    }

    public bool End()
    {
        bool wasOpen = _isOpen;
        _isOpen = false;
        return !wasOpen && (_hasRoot ? true : throw new InvalidDataException("The guest's agent sent an empty tree."));
    }

    public void Abandon()
    {
        // What is written is written.
    }
}
