using System.Runtime.InteropServices;
using Strata.X86.Translator.Emit;

namespace Strata.X86.Translator.Cache;

/// <content>
/// Links from page to page. They hold in one epoch, whose number is in their code, and as long as their target's page stands: it knows who
/// leads to it.
/// </content>
internal sealed unsafe partial class TranslationCache
{
    /// <summary>How often a branch to another page goes by the jump table before it is linked, or linked again.</summary>
    public const int DetoursBeforeLink = 32;

    /// <summary>Most links that a page is asked to know; all of them are given up for more.</summary>
    private const int MostIncoming = 1 << 14;

    /// <summary>By host page, the numbers of the sites whose links lead to it.</summary>
    private readonly Dictionary<nint, List<int>> _incoming = [];

    /// <summary>Links a branch to a block in another page.</summary>
    /// <param name="site">A <see cref="SiteKind.Cross"/>.</param>
    /// <param name="number">The upper half of the salt with which the jump table leads to the block.</param>
    public void LinkAcross(Site* site, TranslatedBlock* target, uint number)
    {
        // SAFETY: the site's code stays until the cache is cleared.
        byte* entry = site->IsForward ? target->ForwardEntry : target->LinkEntry;
        if (HostAssembler.TargetOf(site->Resume) != entry)
        {
            ref List<int>? incoming = ref CollectionsMarshal.GetValueRefOrAddDefault(_incoming, (nint)target->HostPage, out _);
            incoming ??= [];
            if (incoming.Count == MostIncoming)
            {
                Unlink(incoming);
            }

            incoming.Add((int)(site - _sites));
            HostAssembler.Patch(site->Resume, entry);
        }

        *HostAssembler.LinkNumber(site->Resume) = number;
    }

    /// <summary>Gives up all links across pages, for when numbers of epochs could repeat.</summary>
    public void UnlinkAcross()
    {
        foreach (List<int> incoming in _incoming.Values)
        {
            Unlink(incoming);
        }

        _incoming.Clear();
    }

    /// <summary>Gives up the links that lead to a page.</summary>
    private void UnlinkIncoming(byte* hostPage)
    {
        if (_incoming.Remove((nint)hostPage, out List<int>? incoming))
        {
            Unlink(incoming);
        }
    }

    private void Unlink(List<int> links)
    {
        foreach (int link in links)
        {
            // SAFETY: sites and their code stay until the cache is cleared, even where the block was dropped.
            byte* place = _sites[link].Resume;
            *HostAssembler.LinkNumber(place) = 0; // the number of no epoch
            *(int*)place = 0;
        }

        links.Clear();
    }
}
