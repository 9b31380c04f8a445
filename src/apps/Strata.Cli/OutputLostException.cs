namespace Strata.Cli;

/// <summary>What this process prints does not get to where it shall.</summary>
/// <param name="isUnread">Whoever read it has gone, as `head` does: no failure of anything, but there is no use in printing more.</param>
internal sealed class OutputLostException(string message, bool isUnread) : IOException(message)
{
    public bool IsUnread => isUnread;
}
