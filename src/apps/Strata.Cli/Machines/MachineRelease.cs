namespace Strata.Cli.Machines;

/// <summary>Ends a machine so that what follows finds its disks closed and its name free.</summary>
internal static class MachineRelease
{
    /// <param name="end">Ends the machine.</param>
    /// <param name="patience">How long its process may take to let go of it after that.</param>
    /// <exception cref="StrataException">It has ended, and its process holds on to it.</exception>
    public static async Task<T> AwaitAsync<T>(IMachine machine, Func<Task<T>> end, TimeSpan patience, CancellationToken token)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(token);
        Task release = machine.WaitForReleaseAsync(limit.Token); // asked for first: who ends it may be gone before the next question
        try
        {
            T result = await end();
            limit.CancelAfter(patience);
            await release;
            return result;
        }
        catch (OperationCanceledException) when (release.IsCanceled && !token.IsCancellationRequested)
        {
            throw new StrataException(
                StrataError.Host,
                $"{machine.Name} has ended, but its process still holds its disks and its name after {patience.TotalSeconds:F0} s: it " +
                $"may be writing to a slow disk. `strata list` shows the process.");
        }
        finally
        {
            await limit.CancelAsync();
            await Task.WhenAny(release); // it does not outlive its token; its failure is of no interest if ending failed
        }
    }
}
