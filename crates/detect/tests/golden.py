import numpy as np, scipy.stats as st, pymannkendall as mk, json, scipy, math
def walk(n, seed, drift, phi, step):
    # LCG so that Rust can make the same numbers
    x=seed; out=[]; e=0.0
    for i in range(n):
        x=(x*6364136223846793005+1442695040888963407)%(1<<64)
        u=((x>>11)/(1<<53))-0.5
        e=phi*e+u
        out.append(drift*i+e*step)
    return out
for (n,seed,drift,phi,step) in [(20,1,0.0,0.0,1.0),(24,2,0.05,0.0,1.0),(32,3,0.1,0.6,2.0),(32,4,0.02,1.0,1.0),(40,5,-0.1,0.3,1.0)]:
    y=np.array(walk(n,seed,drift,phi,step)); x=np.arange(n)
    o=mk.original_test(y); h=mk.hamed_rao_modification_test(y, lag=math.ceil(n/4)-1)
    ts=st.theilslopes(y,x,0.95)
    tau=st.kendalltau(x,y)
    print((n,seed,drift,phi,step), 's',o.s,'var',o.var_s,'hr',h.var_s, 'z', h.z, 'slope',ts[0],'lo',ts[2],'hi',ts[3], 'tau',tau[0])
y=[1,1,2,2,2,3,1,4,4,5,5,5]; o=mk.original_test(y); print('ties',o.s,o.var_s, st.theilslopes(y,range(12),.95))
a=[3.0,1.0,4.0,1.0,5.0,9.0,2.0,6.0]; print(np.quantile(a,[.05,.3,.5,.95]))
# unit-root reference by statsmodels: AR root t on detrended residuals, no const, 0 lags
from statsmodels.tsa.stattools import adfuller
import statsmodels.api as sm
for (n,seed,drift,phi,step) in [(32,3,0.1,0.6,2.0),(32,4,0.02,1.0,1.0),(24,2,0.05,0.0,1.0)]:
    y=np.array(walk(n,seed,drift,phi,step)); x=np.arange(n)
    r=sm.OLS(y,sm.add_constant(x)).fit().resid
    m=sm.OLS(r[1:],r[:-1]).fit()
    rho=m.params[0]; se=np.sqrt(((r[1:]-rho*r[:-1])**2).sum()/(n-2)/ (r[:-1]**2).sum())
    print('df',(n,seed),'rho',rho,'t',(rho-1)/se)
    # HAC of drift
    d=np.diff(y); 
    f=sm.OLS(d,np.ones(n-1)).fit(cov_type='HAC',cov_kwds={'maxlags':4,'use_correction':False}); print(' mean',f.params[0],'hac4',f.bse[0], 'hac6', sm.OLS(d,np.ones(n-1)).fit(cov_type='HAC',cov_kwds={'maxlags':6,'use_correction':False}).bse[0], 'plain', d.std()/np.sqrt(n-1))
    for root in [min(max((rho+2/n)/(1-4/n),0),.95)]:
        yy=y[1:]-root*y[:-1]; xx=x[1:]-root*x[:-1]
        g=sm.OLS(yy,sm.add_constant(xx)).fit(); 
        res=g.resid; sxx=((xx-xx.mean())**2).sum(); N=n-1
        g0=(res**2).sum()/N; lr=g0+2*sum((1-k/5)*(res[k:]*res[:-k]).sum()/N for k in range(1,5))
        print(' root',root,'slope',g.params[1],'z',g.params[1]/np.sqrt(max(g0,lr)/sxx))
print(scipy.__version__, mk.__file__)
